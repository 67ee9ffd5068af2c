"""Losses as pure functions: the K-way ranking loss and the cross entropy of chosen rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from training.engine.logprobs import chosen_logprobs


def pair_targets(
    ranks: Sequence[int], ties: str = "drop", device: torch.device | str = "cpu", *, smoothing: float = 0.0
) -> torch.Tensor:
    """T (K, K): T[i, j] is how much of the pair (i, j) is a win of i over j.

    1 where rank i is better (smaller), 0 where it is worse; for a tie ½ both ways with `ties` "half", 0 with "drop".
    A tie with ½ asks for equal scores: ½·softplus(−D) + ½·softplus(D) is least at D = 0.

    `smoothing` ε takes labels for wrong once in 1/ε: 1 becomes 1 − ε and its opposite ε, so that the least loss is at
    σ(D) = 1 − ε instead of at infinity. A pair still sums to 1.
    """
    rank = torch.tensor(ranks, device=device)
    wins = (rank[:, None] < rank[None, :]).double()
    wins = (1 - smoothing) * wins + smoothing * wins.T
    if ties == "half":
        tied = (rank[:, None] == rank[None, :]).double() - torch.eye(len(ranks), device=device, dtype=torch.double)
        wins = wins + 0.5 * tied
    return wins


def pair_count(ranks: Sequence[int], ties: str) -> int:
    """Pairs that the loss counts; a tie that teaches "equal" is one pair."""
    return round(float(pair_targets(ranks, ties).sum()))


def kway_loss(
    scores: torch.Tensor, targets: torch.Tensor, *, heights: Sequence[float] | None = None, centring: float = 0.0
) -> torch.Tensor:
    """The loss of one prompt's K completions over all their pairs (IG eq. 1):

        L = Σ T·softplus(−(D − M)) / Σ T + c · Σ T·(r_i + r_j)² / Σ T,   D[i, j] = r_i − r_j,   M[i, j] = h_i − h_j

    scores (K,), targets T (K, K) as `pair_targets` makes them; a scalar comes back.
    softplus(−D) = −log σ(D) without its overflow. Each prompt weighs the same whatever its K. A prompt without any
    pair gives 0.

    `heights` h (K,) are the completions' places on the scale of margins (`margin_heights`): a pair must be apart by
    its margin M before it costs as little as one without (Llama 2, eq. 2). `centring` c keeps scores near 0, which
    the differences alone leave free (Eisenstein et al. 2023, 2312.09244, eq. 5, with c = .01).
    """
    wins = targets.to(scores.dtype)
    difference = scores[:, None] - scores[None, :]
    if heights is not None:
        height = torch.tensor(heights, dtype=scores.dtype, device=scores.device)
        difference = difference - (height[:, None] - height[None, :])
    costs = F.softplus(-difference)
    if centring:
        costs = costs + centring * (scores[:, None] + scores[None, :]) ** 2
    return (wins * costs).sum() / wins.sum().clamp_min(torch.finfo(scores.dtype).tiny)


def margin_heights(ranks: Sequence[int], strengths: Sequence[int], margins: Sequence[float]) -> list[float]:
    """Each completion's place on the scale of margins, the worst at 0, so that a pair's margin is their difference.

    `strengths[n]` says how much better rank n is than rank n + 1, 1 being the least; `margins` are the margins of
    strengths 1, 2, …. Margins of neighbours add up, as the scores' own differences do; ties have none. Without
    strengths, every height is 0.
    """
    steps = [margins[strength - 1] for strength in strengths] or [0.0] * max(ranks)
    return [sum(steps[rank:]) for rank in ranks]


def rows_cross_entropy(
    hidden: torch.Tensor, unembedding: torch.nn.Module, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Σ weight · −log p(target) over chosen rows, in fp32 at least: hidden (N, d), targets and weights (N,) → scalar.

    Only the rows that predict a completion's token come here, so no logit of a prompt is ever computed.
    """
    logprobs = chosen_logprobs(hidden, unembedding, targets)
    return -(logprobs * weights.to(logprobs.dtype)).sum()
