"""The KL to the reference over the whole vocabulary, a piece at a time: N states have N × V numbers of each model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.engine.logprobs import ROWS
from training.engine.ppo_math import state_kl


@torch.no_grad()
def vocabulary_kl(
    own: Tensor, own_unembedding: nn.Module, reference: Tensor, reference_unembedding: nn.Module,
    temperature: float = 1.0, *, rows: int = ROWS,
) -> Tensor:  # fmt: skip
    """KL(π ‖ π_ref) in nats [N] in each state, of both models' last hidden states [N, d], at a temperature.

    In fp32 at least. No more than `rows` states are unembedded at a time.
    """
    pieces = zip(own.split(rows), reference.split(rows), strict=True)
    return torch.cat([
        state_kl(_logprobs(own_unembedding(mine), temperature), _logprobs(reference_unembedding(theirs), temperature))
        for mine, theirs in pieces
    ])  # fmt: skip


def _logprobs(logits: Tensor, temperature: float) -> Tensor:
    return (logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature).log_softmax(-1)
