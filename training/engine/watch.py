"""Signs that a policy pleases its judge in a way that nobody meant: answers that swell, repeat themselves, or worsen.

Reward models like long answers, and so do the people they learned from (AlpacaFarm: the longer of two was preferred
62% of the time), so a reward that rises together with the length may be length alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

LONGER = 1.5
POORER = 0.5
_WINDOW = 5  # iterations at most whose mean is compared


def distinct(answers: Sequence[Sequence[int]], n: int = 2) -> tuple[set[tuple[int, ...]], int]:
    """The different runs of n tokens in the answers, and how many there are in all.

    Their ratio, distinct-n, falls where answers repeat themselves or one another (Li et al. 2016, 1510.03055, 5.3).
    """
    grams = [tuple(answer[i : i + n]) for answer in answers for i in range(len(answer) - n + 1)]
    return set(grams), len(grams)


def warnings(history: Sequence[dict[str, float]]) -> dict[str, str]:
    """What to say of the iterations so far, by a short name: at most one sentence for each sign."""
    size = min(_WINDOW, len(history) // 2)
    if not size:
        return {}

    def mean(name: str, part: Sequence[dict[str, float]]) -> float:
        values = [one[name] for one in part if math.isfinite(one.get(name, math.nan))]
        return fmean(values) if values else math.nan

    names = ("reward", "mean_length", "distinct_2", "kl")
    first, last = ({name: mean(name, part) for name in names} for part in (history[:size], history[-size:]))
    found = {}
    if last["reward"] > first["reward"]:
        if last["mean_length"] > LONGER * first["mean_length"]:
            times = last["mean_length"] / first["mean_length"]
            found["length"] = (
                f"The reward rises, but answers are {times:.1f} times as long as at the start: read some, the reward "
                "model may only like length."
            )
        if last["distinct_2"] < POORER * first["distinct_2"]:
            found["diversity"] = (
                f"The reward rises, but only {last['distinct_2']:.0%} of the answers' word pairs are different, where "
                f"{first['distinct_2']:.0%} were at the start: they repeat themselves or one another."
            )
    return found


def fell(change: float, margin: float) -> str | None:
    """A sentence where the held-out reward fell by more than its margin: what a wrong sign would look like.

    A margin of 0 is that of a single prompt, which says nothing.
    """
    if not (margin > 0 and change + margin < 0):
        return None
    return (
        f"The held-out reward fell by {-change:.3g} ± {margin:.2g}: the steps are too large, the KL is too dear, or "
        "the reward model's order is upside down."
    )
