"""Simulated labelers: what they secretly value, and how often each of them errs. Pure rules.

Their labels only show that the loop works. Their accounts and labels are marked as simulated wherever they appear.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class SimulatedLabeler:
    """A program that ranks. `error_rate`: the share of pairs that it judges the wrong way round."""

    name: str
    error_rate: float


_LENGTHS = (1, 2, 3)

LABELERS = (
    SimulatedLabeler("careful", 0.05),
    SimulatedLabeler("usual", 0.15),
    SimulatedLabeler("hasty", 0.35),
)


def utility(answer: str, demonstration: str) -> float:
    """What a simulated labeler values in an answer, 0 to 1: its likeness to the demonstration.

    The F1 of the two texts' character n-grams with their counts, case and spaces aside, as a mean over n = 1, 2, 3
    (chrF with β = 1; Popović 2015, section 2).
    """
    scores = []
    for n in _LENGTHS:
        ours, theirs = (_grams(text, n) for text in (answer, demonstration))
        shared = (ours & theirs).total()
        scores.append(2 * shared / (ours.total() + theirs.total()) if shared else 0.0)
    return sum(scores) / len(scores)


def _grams(text: str, n: int) -> Counter[str]:
    letters = "".join(text.lower().split())
    return Counter(letters[start : start + n] for start in range(len(letters) - n + 1))


def ranked(utilities: Mapping[str, float], error_rate: float, chance: random.Random) -> list[list[str]]:
    """Ordered groups of ids, best first, as a labeler of that error rate would give them.

    Every pair is judged once, wrongly with probability `error_rate`; equal utilities are half a win each. More wins
    stand higher, and equal wins share a place, so an inconsistent labeler produces ties.
    """
    wins = dict.fromkeys(utilities, 0.0)
    for one, other in combinations(sorted(utilities), 2):
        if utilities[one] == utilities[other]:
            wins[one] += 0.5
            wins[other] += 0.5
            continue
        better, worse = (one, other) if utilities[one] > utilities[other] else (other, one)
        wins[worse if chance.random() < error_rate else better] += 1
    return [
        [name for name in sorted(wins) if wins[name] == score] for score in sorted(set(wins.values()), reverse=True)
    ]
