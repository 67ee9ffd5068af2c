"""The rule of agreement between rankings of the same completions: the share of pairs that both order alike.

Ties: a pair counts only where both labelers order it strictly; where either ties the two, it is left out (ST counts
the preferred side only and leaves out comparisons where either is indifferent). Plain values in, plain values out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

Groups = Sequence[Sequence[str]]


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
