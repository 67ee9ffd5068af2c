"""How well a reward model orders completions as the person did, with an honest interval.

The tie rule: pairs that the person tied do not count; a pair that the model ties counts as half right. Pairs of one
prompt depend on each other, by whomever they were ranked, so the interval resamples whole prompts.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

TIE_RULE = "pairs tied by the labeler left out; equal scores count half"
INTERVAL_RULE = "95 %, bootstrap over prompts, 2,000 resamples"
_RESAMPLES = 2000


@dataclass(frozen=True)
class PairAccuracy:
    """accuracy = right / pairs; `low` and `high` are None where fewer than two prompts have a pair."""

    accuracy: float
    pairs: int
    groups: int
    low: float | None
    high: float | None


def count_pairs(scores: Sequence[float], ranks: Sequence[int]) -> tuple[float, int]:
    """(right, pairs) of one group by the tie rule; rank 0 is best."""
    right, pairs = 0.0, 0
    for i, rank in enumerate(ranks):
        for j, other in enumerate(ranks):
            if rank < other:
                pairs += 1
                right += 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
    return right, pairs


def tied_pairs(ranks: Sequence[int]) -> int:
    """How many pairs the person tied."""
    return sum(math.comb(ranks.count(rank), 2) for rank in set(ranks))


def kendall_tau(scores: Sequence[float], ranks: Sequence[int]) -> float | None:
    """Kendall's τ-b of scores (more is better) and ranks (less is better): 1 for the same order, −1 for the opposite.

    (concordant − discordant) / √((pairs − pairs tied in scores)(pairs − pairs tied in ranks)), Kendall 1945. None
    where either ties everything.
    """
    right, ordered = count_pairs(scores, ranks)
    pairs = math.comb(len(ranks), 2)
    apart = pairs - sum(math.comb(list(scores).count(score), 2) for score in set(scores))
    if not ordered or not apart:
        return None
    return (2 * right - ordered) / math.sqrt(ordered * apart)  # a pair tied in the scores alone adds ½ − ½


def pair_accuracy(
    groups: Sequence[tuple[Sequence[float], Sequence[int]]], prompts: Sequence[Hashable] = (), *, seed: int = 0
) -> PairAccuracy | None:
    """Accuracy over all pairs of all groups of (scores, ranks); None where no pair has an order.

    `prompts` says which groups are of one prompt; without it each is of its own.
    """
    return share_right([count_pairs(scores, ranks) for scores, ranks in groups], prompts, seed=seed)


def share_right(
    groups: Sequence[tuple[float, int]], prompts: Sequence[Hashable] = (), *, seed: int = 0
) -> PairAccuracy | None:
    """Σ right / Σ pairs of groups of (right, pairs), those without a pair left out; None where there is no pair."""
    sums: dict[Hashable, list[float]] = {}
    for (right, pairs), prompt in zip(groups, prompts or range(len(groups)), strict=True):
        if pairs:
            one = sums.setdefault(prompt, [0.0, 0.0])
            one[0], one[1] = one[0] + right, one[1] + pairs
    if not sums:
        return None
    table = torch.tensor(list(sums.values()), dtype=torch.float64)
    right, pairs = table.sum(0).tolist()
    low = high = None
    if len(table) >= 2:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(table), (_RESAMPLES, len(table)), generator=generator)
        resampled = table[drawn].sum(1)
        shares = resampled[:, 0] / resampled[:, 1]
        low, high = torch.quantile(shares, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return PairAccuracy(right / pairs, int(pairs), sum(pairs > 0 for _, pairs in groups), low, high)
