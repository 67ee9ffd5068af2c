"""A policy's implicit rewards: how much likelier than its reference it finds each completion (2305.18290, eq. 5).

`scoring` reads a reward model's scores of the same families; a policy's are a difference of log-probabilities.
"""

from __future__ import annotations

from functools import partial

import torch
from transformers import PreTrainedModel

from training.engine.data import Group
from training.engine.layout import Family, lay
from training.engine.logprobs import chosen_logprobs
from training.engine.passes import read_all
from training.engine.runtime import Run


def implicit_rewards(logprobs: torch.Tensor, reference: list[float], beta: float) -> torch.Tensor:
    """β · (log π − log π_ref) of K completions (K,): the reward that the policy is optimal for (eq. 5)."""
    return beta * (logprobs - torch.tensor(reference, dtype=logprobs.dtype, device=logprobs.device))


def answer_logprobs(model: PreTrainedModel, families: list[Family], *, most: int | None = None) -> list[torch.Tensor]:
    """log π(y|x) (K,) of each family's completions, their end tokens included, in fp32 at least.

    `most` tokens a pass are kept whole for the backward pass (see Layout.hidden).
    """
    layout = lay(model, families)
    hidden = layout.hidden(model, most=most)[layout.predictors]
    tokens = chosen_logprobs(hidden, model.get_output_embeddings(), layout.targets)
    sums = torch.stack([part.sum() for part in tokens.split(layout.lengths)])
    return list(sums.split([len(completions) for _, completions in families]))


def all_logprobs(run: Run, model: PreTrainedModel, groups: list[Group], phase: str) -> list[list[float]]:
    """`answer_logprobs` of all groups, in their order and on every rank."""
    return read_all(run, model, [group.family for group in groups], partial(answer_logprobs, model), phase)
