"""Intervals by resampling."""

from __future__ import annotations

import random
from collections.abc import Sequence


def between(values: Sequence[float], *, weights: Sequence[float] = (), resamples: int = 2000) -> str:
    """The 95 % interval of the (weighted) mean: a bootstrap over the values, percentiles of the resamples' means."""
    rng = random.Random(0)  # noqa: S311
    pairs = list(zip(values, weights or [1.0] * len(values), strict=True))
    means = []
    for _ in range(resamples):
        drawn = rng.choices(pairs, k=len(pairs))
        means.append(sum(value * weight for value, weight in drawn) / sum(weight for _, weight in drawn))
    means.sort()
    return f"{means[resamples // 40]:.3g} to {means[-resamples // 40 - 1]:.3g}"
