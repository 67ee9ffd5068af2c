"""Attention over a packed row of trees: each prompt once, its completions behind it, each seeing only its own branch.

Registered with transformers as the implementation "plumbline": with a `tree` it splits the row and attends piece by
piece, so no T×T mask is ever made and no padding attended; without one it is transformers' own SDPA.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "plumbline"
# The CPU's fused kernel is slow in bf16: plain products are 2–3 times as fast up to about this length, at the price
# of keeping the probabilities for the backward pass.
_BY_HAND = 1024


@dataclass
class Tree:
    """The shape of a packed row: for each group, the length of its trunk and the lengths of its branches.

    `uses` counts the attention calls that followed the tree: none would mean that the architecture did not pass it on.
    """

    groups: list[tuple[int, list[int]]]
    uses: int = 0
    lengths: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = [length for trunk, branches in self.groups for length in (trunk, *branches)]


def use_tree_attention(model: PreTrainedModel) -> bool:
    """Switch the model to this implementation if its configuration allows; say whether it did.

    Sliding windows, chunks, soft caps and attention sinks change who sees whom or how, and recurrent or convolutional
    layers know no tree at all, so such models are left alone. What a configuration does not tell,
    `layout.share_prompts` finds out.
    """
    config = model.config.get_text_config()
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    chunked = getattr(config, "attention_chunk_size", None)
    mixed = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    special = getattr(config, "attn_logit_softcapping", None) or "gpt_oss" in config.model_type
    if not getattr(model, "_supports_attention_backend", False) or windowed or chunked or mixed or special:
        return False
    model.set_attn_implementation(NAME)
    return True


def has_tree_attention(model: PreTrainedModel) -> bool:
    """Whether the model can forward a packed row."""
    return model.config._attn_implementation == NAME


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: Tree | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Queries (1, H, T, d), keys and values (1, H_kv, T, d) → (1, T, H, d), as transformers expects of attention."""
    if tree is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    tree.uses += 1
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    pieces = zip(*(tensor.split(tree.lengths, dim=2) for tensor in (query, key, value)), strict=True)
    outputs = []
    for _, branches in tree.groups:
        trunk_query, trunk_key, trunk_value = next(pieces)
        outputs.append(_attend(trunk_query, trunk_key, trunk_value, scale, dropout))
        for _ in branches:
            branch_query, branch_key, branch_value = next(pieces)
            keys, values = torch.cat([trunk_key, branch_key], 2), torch.cat([trunk_value, branch_value], 2)
            outputs.append(_attend(branch_query, keys, values, scale, dropout))
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, dropout: float) -> torch.Tensor:
    """Causal attention of the last queries: query i of n sees the keys up to (all − n + i). Grouped heads allowed."""
    n, length = query.shape[2], key.shape[2]
    if n == 0:
        return query
    if query.device.type == "cpu" and query.dtype is torch.bfloat16 and length <= _BY_HAND and dropout == 0.0:
        return _attend_by_hand(query, key, value, scale)
    causal = n == length
    mask = None if causal else _visible(n, length, query.device)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, scale=scale, dropout_p=dropout, enable_gqa=True
    )


def _attend_by_hand(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    _, heads, n, width = query.shape
    kv_heads, length = key.shape[1], key.shape[2]
    group = heads // kv_heads
    rows = (query * scale).reshape(kv_heads, group * n, width)
    scores = torch.bmm(rows, key[0].transpose(1, 2)).view(kv_heads, group, n, length)
    # Added, not filled in: a sum has no backward pass of its own.
    hidden = torch.full((n, length), float("-inf"), dtype=query.dtype, device=query.device).triu(length - n + 1)
    weights = (scores + hidden).softmax(-1)
    return torch.bmm(weights.view(kv_heads, group * n, length), value[0]).view(1, heads, n, width)


def _visible(n: int, length: int, device: torch.device) -> torch.Tensor:
    """Boolean (n, length): which keys each of the last n positions sees."""
    return torch.ones(n, length, dtype=torch.bool, device=device).tril(length - n)


AttentionInterface.register(NAME, tree_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
