"""Losses as pure functions: the K-way ranking loss and the cross entropy of chosen rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F


def pair_targets(ranks: Sequence[int], ties: str = "drop", device: torch.device | str = "cpu") -> torch.Tensor:
    """T (K, K): T[i, j] is how much of the pair (i, j) is a win of i over j.

    1 where rank i is better (smaller), 0 where it is worse; for a tie ½ both ways with `ties` "half", 0 with "drop".
    A tie with ½ asks for equal scores: ½·softplus(−D) + ½·softplus(D) is least at D = 0.
    """
    rank = torch.tensor(ranks, device=device)
    wins = (rank[:, None] < rank[None, :]).double()
    if ties == "half":
        tied = (rank[:, None] == rank[None, :]).double() - torch.eye(len(ranks), device=device, dtype=torch.double)
        wins = wins + 0.5 * tied
    return wins


def kway_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The loss of one prompt's K completions over all their pairs (IG eq. 1):

        L = Σ T·softplus(−D) / Σ T,   D[i, j] = r_i − r_j

    scores (K,), targets T (K, K) as `pair_targets` makes them; a scalar comes back.
    softplus(−D) = −log σ(D) without its overflow. Each prompt weighs the same whatever its K. A prompt without any
    pair gives 0.
    """
    wins = targets.to(scores.dtype)
    difference = scores[:, None] - scores[None, :]
    total = wins.sum()
    return (wins * F.softplus(-difference)).sum() / total.clamp_min(torch.finfo(scores.dtype).tiny)


def rows_cross_entropy(
    hidden: torch.Tensor, unembedding: torch.nn.Module, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Σ weight · −log p(target) over chosen rows, in fp32 at least: hidden (N, d), targets and weights (N,) → scalar.

    Only the rows that predict a completion's token come here, so no logit of a prompt is ever computed.
    """
    logits = unembedding(hidden)
    wide = torch.promote_types(logits.dtype, torch.float32)
    losses = F.cross_entropy(logits.to(wide), targets, reduction="none")
    return (losses * weights.to(wide)).sum()
