"""The rule of agreement between rankings of the same completions: the share of pairs that both order alike.

Ties: a pair counts only where both labelers order it strictly; where either ties the two, it is left out (ST counts
the preferred side only and leaves out comparisons where either is indifferent). Plain values in, plain values out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

Groups = Sequence[Sequence[str]]
RULE = "two labelers' rankings of the same prompt; pairs that either tied left out"
INTERVAL_RULE = "95 %, normal, prompts as clusters"


@dataclass(frozen=True)
class Agreement:
    """Of `pairs` pairs that both ordered strictly, `alike` were ordered the same way."""

    alike: int
    pairs: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None where no pair was ordered strictly by both."""
        return self.alike / self.pairs if self.pairs else None


def pair_agreement(first: Groups, second: Groups) -> Agreement:
    """How two rankings, as ordered groups of completion ids with the best first, agree on the pairs of both."""
    one, other = _ranks(first), _ranks(second)
    alike = pairs = 0
    for a, b in combinations(sorted(one.keys() & other.keys()), 2):
        by_one, by_other = one[a] - one[b], other[a] - other[b]
        if by_one and by_other:
            pairs += 1
            alike += (by_one < 0) == (by_other < 0)
    return Agreement(alike, pairs)


def mean_agreement(rankings: Sequence[Groups]) -> float | None:
    """The mean of `pair_agreement` over every two of the rankings, each weighing the same (ST's labeler–labeler rate).

    None where no two of them order a pair strictly.
    """
    shares = [share for a, b in combinations(rankings, 2) if (share := pair_agreement(a, b).share) is not None]
    return sum(shares) / len(shares) if shares else None


@dataclass(frozen=True)
class Ceiling:
    """How well people agree with one another: the most that a model of one person's rankings can be asked for.

    Of `pairs` pairs, over every two people who ranked one of `prompts` prompts, a `share` was ordered alike; `low` and
    `high` are None with fewer than two prompts.
    """

    share: float
    pairs: int
    prompts: int
    low: float | None
    high: float | None


def agreement_ceiling(prompts: Iterable[Sequence[Groups]]) -> Ceiling | None:
    """Agreement over all prompts, each given as the rankings that different people made of it; None without any pair.

    Σ alike / Σ pairs, so a prompt weighs by its pairs as it does in a model's accuracy. Pairs of one prompt depend on
    each other; the interval takes prompts as clusters: the variance of a ratio of means by its linearisation (Cochran
    1977, Sampling Techniques, eq. 2.39 without the finite correction).
    """
    count = alike = pairs = 0
    alike_squared = alike_by_pairs = pairs_squared = 0
    for rankings in prompts:
        met = [pair_agreement(first, second) for first, second in combinations(rankings, 2)]
        here, of = sum(one.alike for one in met), sum(one.pairs for one in met)
        if of:
            count, alike, pairs = count + 1, alike + here, pairs + of
            alike_squared += here * here
            alike_by_pairs += here * of
            pairs_squared += of * of
    if not pairs:
        return None
    share = alike / pairs
    if count < 2:
        return Ceiling(share, pairs, count, None, None)
    residual = alike_squared - 2 * share * alike_by_pairs + share * share * pairs_squared
    margin = 1.96 * math.sqrt(max(0.0, residual) * count / (count - 1)) / pairs
    return Ceiling(share, pairs, count, max(0.0, share - margin), min(1.0, share + margin))


def labels_after_dispute(*, labels: int, wanted: int, agreement: float | None, floor: float, limit: int) -> int:
    """How many labels a task wants now that `labels` of the `wanted` ones are in.

    One more than there are where all are in and their mean agreement is below `floor` (0 … 1), but never more than
    `limit`; else what it wanted. Where nothing could be compared nobody disagrees.
    """
    if labels < max(wanted, 2) or labels >= limit or agreement is None or agreement >= floor:
        return wanted
    return labels + 1


def _ranks(groups: Groups) -> dict[str, int]:
    return {completion_id: rank for rank, group in enumerate(groups) for completion_id in group}
