"""Whether a reward model's confidence can be believed: σ(Δ) of a pair against how often people agree.

For each pair that the person ordered, the model prefers the completion with the higher score, and its confidence in
that is σ(|Δ|), ½ … 1. A calibrated model is right as often as it is confident (Guo et al. 2017, 1706.04599).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 5


@dataclass(frozen=True)
class Bin:
    """The pairs with a confidence from `low` to `high`: their mean confidence and the share that was right."""

    low: float
    high: float
    pairs: int
    confidence: float
    right: float


def confidences(scores: Sequence[float], ranks: Sequence[int]) -> list[tuple[float, float]]:
    """(confidence, right) of each pair that the person ordered; right is 1, 0, or ½ for equal scores."""
    found = []
    for i, rank in enumerate(ranks):
        for j, other in enumerate(ranks):
            if rank < other:
                difference = scores[i] - scores[j]
                right = 1.0 if difference > 0 else 0.5 if difference == 0 else 0.0
                found.append((1 / (1 + math.exp(-abs(difference))), right))
    return found


def calibration_bins(pairs: Sequence[tuple[float, float]], *, bins: int = BINS) -> list[Bin]:
    """The pairs of (confidence, right) in equal bins from ½ to 1, without the empty ones."""
    width = 0.5 / bins
    held: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for pair in pairs:
        held[min(bins - 1, int((pair[0] - 0.5) / width))].append(pair)
    return [
        Bin(0.5 + n * width, 0.5 + (n + 1) * width, len(part), _mean(part, 0), _mean(part, 1))
        for n, part in enumerate(held)
        if part
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """ECE: the mean over pairs of how far their bin's confidence is from its share right; None without any pair."""
    total = sum(one.pairs for one in bins)
    return sum(one.pairs * abs(one.confidence - one.right) for one in bins) / total if total else None


def _mean(pairs: Sequence[tuple[float, float]], index: int) -> float:
    return sum(pair[index] for pair in pairs) / len(pairs)
