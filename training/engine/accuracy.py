"""How often a reward model orders two completions as the person did, with an honest interval.

The tie rule: pairs that the person tied do not count; a pair that the model ties counts as half right. Pairs of one
prompt depend on each other, so the interval resamples whole groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

TIE_RULE = "pairs tied by the labeler left out; equal scores count half"
INTERVAL_RULE = "95 %, bootstrap over groups, 2,000 resamples"
_RESAMPLES = 2000


@dataclass(frozen=True)
class PairAccuracy:
    """accuracy = right / pairs; `low` and `high` are None where fewer than two groups have a pair."""

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


def pair_accuracy(groups: Sequence[tuple[Sequence[float], Sequence[int]]], *, seed: int = 0) -> PairAccuracy | None:
    """Accuracy over all pairs of all groups of (scores, ranks); None where no pair has an order."""
    counts = [count for scores, ranks in groups if (count := count_pairs(scores, ranks))[1] > 0]
    if not counts:
        return None
    table = torch.tensor(counts, dtype=torch.float64)
    right, pairs = table.sum(0).tolist()
    low = high = None
    if len(counts) >= 2:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(counts), (_RESAMPLES, len(counts)), generator=generator)
        sums = table[drawn].sum(1)
        shares = sums[:, 0] / sums[:, 1]
        low, high = torch.quantile(shares, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return PairAccuracy(right / pairs, int(pairs), len(counts), low, high)
