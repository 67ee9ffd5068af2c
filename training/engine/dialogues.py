"""What a policy's loss on dialogues is, and how they are cut into forward passes: demonstrations and plain text alike.

A row of plain text is a dialogue without a prompt, of which everything but its first token is learned.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from transformers import PreTrainedModel

from training.engine.data import Dialogue
from training.engine.layout import lay
from training.engine.losses import rows_cross_entropy
from training.engine.passes import family_passes


def dialogue_loss(
    model: PreTrainedModel, dialogues: list[Dialogue], *, weighted: bool = True, most: int | None = None
) -> torch.Tensor:
    """Σ over the learned tokens of −log p, each times its demonstration's weight where `weighted`.

    `most` tokens a pass are kept whole for the backward pass (see Layout.hidden).
    """
    layout = lay(model, [item.family for item in dialogues])
    learned = torch.tensor([wanted for item in dialogues for wanted in item.targets], device=model.device)
    weights = torch.tensor(
        [item.weight if weighted else 1.0 for item in dialogues for wanted in item.targets if wanted],
        dtype=torch.float64,
        device=model.device,
    )
    hidden = layout.hidden(model, most=most)[layout.predictors[learned]]
    return rows_cross_entropy(hidden, model.get_output_embeddings(), layout.targets[learned], weights)


def dialogue_passes(model: PreTrainedModel, dialogues: list[Dialogue], max_tokens: int) -> list[list[Dialogue]]:
    """The dialogues in forward passes of at most `max_tokens`, the longest first."""
    passes = family_passes(model, [item.family for item in dialogues], max_tokens)
    return [[dialogues[place] for place in part] for part in passes]


def text_dialogues(rows: Iterable[list[int]], weight: float = 1.0) -> list[Dialogue]:
    """Rows of plain text as dialogues."""
    return [Dialogue("", [], row, weight) for row in rows]
