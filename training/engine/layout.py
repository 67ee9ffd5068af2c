"""How prompts and completions are laid out for one forward pass, and where the wanted hidden states are.

`pack` is the shared-prefix layout: one row without any padding, [P | R1 | … | RK | P' | R1' | …], position ids that
restart at P for each completion, and a tree that says who sees whom. It forwards P + ΣR tokens a prompt where rows
need K·P + ΣR and pairs (K−1)·(K·P + ΣR). `rows` is the plain layout: one right-padded row for each completion, no mask
(a causal model never looks at the padding behind it).

Both number their hidden states in a flat list, and both say in the order of the input
- `ends`: where each completion's last token is, the reward model's scored position;
- `predictors` and `targets`: for each completion token, the position before it and the token itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from training.engine.attention import Tree, has_tree_attention, use_tree_attention
from training.engine.heads import body

Family = tuple[list[int], Sequence[list[int]]]  # a prompt and its completions, token ids


def family_tokens(family: Family) -> int:
    """Tokens of the shared-prefix layout: the prompt once, every completion once."""
    prompt, completions = family
    return len(prompt) + sum(map(len, completions))


@dataclass(frozen=True)
class Layout:
    """One forward pass. ids and positions are (rows, length); ends (N,), predictors and targets (ΣR,) are flat."""

    ids: torch.Tensor
    positions: torch.Tensor
    ends: torch.Tensor
    predictors: torch.Tensor
    targets: torch.Tensor
    lengths: list[int]
    tree: Tree | None = None

    def hidden(self, model: PreTrainedModel, *, most: int | None = None) -> torch.Tensor:
        """The last hidden states (rows·length, d) of the model's body, without any unembedding.

        A pass of more than `most` tokens (one group may be that large) keeps only each layer's input for the backward
        pass and computes the rest again: a third more work, a tenth of the memory. Only in training mode.
        """
        recompute = most is not None and self.ids.numel() > most and model.training
        if recompute:
            model.activation_checkpointing_enable()
        try:
            return self._forward(model)
        finally:
            if recompute:
                model.activation_checkpointing_disable()

    def _forward(self, model: PreTrainedModel) -> torch.Tensor:
        if self.tree is None:
            return body(model)(input_ids=self.ids, use_cache=False).last_hidden_state.flatten(0, 1)
        seen = self.tree.uses
        # With position ids alone transformers would take each restart for a new document and hide the prompt from its
        # completions; a four-dimensional mask is passed through untouched, and the tree attention ignores it.
        through = torch.zeros(1, 1, 1, 1, device=self.ids.device)
        output = body(model)(
            input_ids=self.ids, position_ids=self.positions, attention_mask=through, use_cache=False, tree=self.tree
        )
        if self.tree.uses == seen:
            raise RuntimeError(f"{type(model).__name__} does not pass the tree on to its attention; use rows.")
        return output.last_hidden_state[0]


def pack(families: Sequence[Family], device: torch.device | str = "cpu") -> Layout:
    """The shared-prefix layout of some prompts with their completions, in one row."""
    ids: list[int] = []
    positions: list[int] = []
    groups: list[tuple[int, list[int]]] = []
    places = _Places()
    for prompt, completions in families:
        start = len(ids)
        ids += prompt
        positions += range(len(prompt))
        for completion in completions:
            places.add(len(ids), completion, before=start + len(prompt) - 1 if prompt else None)
            ids += completion
            positions += range(len(prompt), len(prompt) + len(completion))
        if len(completions) == 1:  # a line, not a tree: one causal piece
            groups.append((len(prompt) + len(completions[0]), []))
        else:
            groups.append((len(prompt), [len(completion) for completion in completions]))
    return places.layout([ids], [positions], device, Tree(groups))


def rows(families: Sequence[Family], pad: int, device: torch.device | str = "cpu") -> Layout:
    """The plain layout: a right-padded row for each completion, its prompt repeated before it."""
    lines = [(prompt, completion) for prompt, completions in families for completion in completions]
    width = max(len(prompt) + len(completion) for prompt, completion in lines)
    ids, positions, places = [], [], _Places()
    for number, (prompt, completion) in enumerate(lines):
        start = number * width + len(prompt)
        places.add(start, completion, before=start - 1 if prompt else None)
        line = prompt + completion
        ids.append(line + [pad] * (width - len(line)))
        positions.append(list(range(width)))
    return places.layout(ids, positions, device, None)


def lay(model: PreTrainedModel, families: Sequence[Family], *, packed: bool = True) -> Layout:
    """`pack` where it is wanted and the model's attention knows trees, else `rows`; on the model's device."""
    if packed and has_tree_attention(model):
        return pack(families, model.device)
    return rows(families, model.config.pad_token_id, model.device)


def share_prompts(model: PreTrainedModel) -> bool:
    """Switch the model to the tree attention if a packed row gives the hidden states of rows; say whether it did.

    One short forward pass of each layout shows what no configuration tells, such as a layer that mixes neighbouring
    positions. The model is in eval mode and on its device.
    """
    before = model.config._attn_implementation
    if not use_tree_attention(model):
        return False
    if not _layouts_agree(model):
        model.set_attn_implementation(before)
        return False
    return True


@torch.no_grad()
def _layouts_agree(model: PreTrainedModel) -> bool:
    known = model.get_input_embeddings().weight.shape[0]
    first, second, third, fourth = ([(start + 7 * i) % known for i in range(6)] for start in (3, 5, 8, 11))
    families: list[Family] = [(first, [second, third[:3]]), (second[:2], [fourth, third])]
    try:
        packed, apart = (
            layout.hidden(model)[layout.ends].float()
            for layout in (pack(families, model.device), rows(families, 0, model.device))
        )
    except (RuntimeError, TypeError, ValueError):  # the tree was not passed on, or not accepted
        return False
    tolerance = 1e-3 if model.dtype in (torch.float32, torch.float64) else 5e-2
    return bool((packed - apart).abs().max() <= tolerance * apart.abs().max())


class _Places:
    """Collects the flat indices while a layout is being laid."""

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.predictors: list[int] = []
        self.targets: list[int] = []
        self.lengths: list[int] = []

    def add(self, start: int, completion: list[int], before: int | None) -> None:
        """A completion from flat index `start`; `before` predicts its first token (None: nothing does)."""
        if not completion:
            raise ValueError("a completion needs at least its end token")
        self.ends.append(start + len(completion) - 1)
        known = completion if before is not None else completion[1:]
        first = [before] if before is not None else []
        self.predictors += [*first, *range(start, start + len(completion) - 1)]
        self.targets += known
        self.lengths.append(len(known))

    def layout(
        self, ids: list[list[int]], positions: list[list[int]], device: torch.device | str, tree: Tree | None
    ) -> Layout:
        def tensor(values: list[int] | list[list[int]]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.long, device=device)

        return Layout(
            tensor(ids), tensor(positions), tensor(self.ends), tensor(self.predictors), tensor(self.targets),
            self.lengths, tree,
        )  # fmt: skip
