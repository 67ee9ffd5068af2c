"""Reward models on an encoder of the BERT family: every position sees every other, and one position speaks for all.

One row is [first] prompt completion [end], where first and end are the tokenizer's own tokens ([CLS] and [SEP] of
BERT, <s> and </s> of RoBERTa), in one segment, padded on the right and masked. The score is read as transformers'
`…ForSequenceClassification` of the architecture reads it, with pooler and head as they are, so that a checkpoint gives
the same scores there. Prompts cannot be shared: in an encoder a prompt's own states depend on what follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from training.engine.errors import RunError
from training.engine.layout import Family


def is_encoder(config: PreTrainedConfig) -> bool:
    """Whether the architecture is an encoder alone, of the BERT family."""
    alone = not getattr(config, "is_encoder_decoder", False) and not getattr(config, "is_decoder", False)
    return alone and type(config) in MODEL_FOR_MASKED_LM_MAPPING


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let the separator be the end token where the tokenizer has none, as BERT's. Others are left as they are."""
    if tokenizer.eos_token_id is None and tokenizer.cls_token_id is not None:
        tokenizer.eos_token = tokenizer.sep_token


def prepare_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Remember the first token, and let the head compute in fp32 whatever the body's precision is.

    Raises RunError where the tokenizer has no first token.
    """
    if tokenizer.cls_token_id is None:
        raise RunError("The encoder's tokenizer has no first token, where its score would be read.")
    model.config.cls_token_id = tokenizer.cls_token_id
    for name, module in model.named_children():
        if name != model.base_model_prefix and not any(True for _ in module.buffers()):
            module.register_forward_pre_hook(_widen)


def init_head(model: PreTrainedModel, seed: int) -> None:
    """Draw the last layer of the head from N(0, 1/√(d+1)) as of a causal model, its bias 0; the rest is pretrained."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear) and module.out_features == 1][-1]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(last.weight.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        last.weight.copy_(drawn / (last.weight.shape[1] + 1) ** 0.5)
        if last.bias is not None:
            last.bias.zero_()
    model.config.reward_bias = 0.0


def room(model: PreTrainedModel) -> int | None:
    """How many tokens of prompt and completion fit; None where the architecture has no limit.

    RoBERTa counts positions from its padding's number on, and the first token takes one.
    """
    most = getattr(model.config, "max_position_embeddings", None)
    if most is None:
        return None
    embeddings = getattr(getattr(model, model.base_model_prefix), "embeddings", None)
    offset = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    return most - 1 - (0 if offset is None else offset + 1)


def scores(model: PreTrainedModel, families: Sequence[Family], *, most: int | None = None) -> torch.Tensor:
    """Scores (N,) of all completions in order, in fp32 at least, bias included; `most` as in Layout.hidden."""
    first, pad = model.config.cls_token_id, model.config.pad_token_id
    lines = [[first, *prompt, *completion] for prompt, completions in families for completion in completions]
    width = max(map(len, lines))
    ids = torch.tensor([line + [pad] * (width - len(line)) for line in lines], device=model.device)
    mask = torch.tensor([[1] * len(line) + [0] * (width - len(line)) for line in lines], device=model.device)
    recompute = most is not None and ids.numel() > most and model.training
    if recompute:
        model.activation_checkpointing_enable()
    try:
        logits = model(input_ids=ids, attention_mask=mask).logits[:, 0]
    finally:
        if recompute:
            model.activation_checkpointing_disable()
    return logits.to(torch.promote_types(logits.dtype, torch.float32)) + getattr(model.config, "reward_bias", 0.0)


def _widen(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    weight = next(module.parameters(), None)
    return inputs if weight is None else tuple(one.to(weight.dtype) for one in inputs)
