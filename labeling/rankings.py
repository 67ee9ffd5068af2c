"""The rule of a ranking: ordered groups that name each completion of the task exactly once, ties allowed.

A ranking is a list of groups of completion ids, best first; several ids in a group are a tie (IG §3.2, §3.4). Plain
values in, plain values out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

RATING_MIN, RATING_MAX = 1, 7


class RankingError(ValueError):
    """A ranking or rating breaks the rule. The message is one sentence for the person who gave it."""


def check_groups(groups: Sequence[Sequence[str]], completion_ids: Collection[str]) -> None:
    """Raise RankingError unless `groups` names each of `completion_ids` exactly once, in non-empty groups, K ≥ 2."""
    known = set(completion_ids)
    if len(known) < 2:
        raise RankingError(f"A ranking needs at least 2 answers; this task has {len(known)}.")
    seen: set[str] = set()
    for number, group in enumerate(groups, start=1):
        if not group:
            raise RankingError(f"Rank {number} is empty; leave empty ranks out.")
        for completion_id in group:
            if completion_id not in known:
                raise RankingError(f"The ranking names {completion_id[:80]!r}, which is no answer of this task.")
            if completion_id in seen:
                raise RankingError(f"The ranking names {completion_id!r} twice; each answer has one rank.")
            seen.add(completion_id)
    if missing := len(known - seen):
        verb = "is" if missing == 1 else "are"
        raise RankingError(f"{missing} of {len(known)} answers {verb} not ranked yet; place every answer.")


def check_ratings(ratings: Mapping[str, int], completion_ids: Collection[str]) -> None:
    """Raise RankingError unless each rating is a whole number 1–7 of a known completion. Unrated ones are fine."""
    known = set(completion_ids)
    for completion_id, rating in ratings.items():
        if completion_id not in known:
            raise RankingError(f"A rating names {completion_id[:80]!r}, which is no answer of this task.")
        if isinstance(rating, bool) or not isinstance(rating, int) or not RATING_MIN <= rating <= RATING_MAX:
            raise RankingError(f"A rating is a whole number from {RATING_MIN} to {RATING_MAX}, not {rating!r}.")


def groups_from_ranks(ranks: Mapping[str, int]) -> list[list[str]]:
    """Ordered groups from a rank per completion: lower is better, equal is a tie, gaps close.

    `{"a": 1, "b": 4, "c": 1}` becomes `[["a", "c"], ["b"]]`; inside a tie the mapping's order stays.
    """
    groups: dict[int, list[str]] = {}
    for completion_id, rank in ranks.items():
        groups.setdefault(rank, []).append(completion_id)
    return [groups[rank] for rank in sorted(groups)]


def ranks_from_groups(groups: Sequence[Sequence[str]]) -> dict[str, int]:
    """The rank of each completion: 0 is best, ties share a rank, no gaps."""
    return {completion_id: rank for rank, group in enumerate(groups) for completion_id in group}
