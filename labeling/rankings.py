"""The rule of a ranking: ordered groups that name each completion of the task exactly once, ties allowed.

A ranking is a list of groups of completion ids, best first; several ids in a group are a tie (IG §3.2, §3.4). Answers
are called by the letters under which their labeler saw them. Plain values in, plain values out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from labeling.forms import OVERALL, Field, FormError, check_values

# A fair order of two answers comes out as they were shown every other time; of three, once in six.
DOUBTED_FROM = 3
# How much better a rank is than the next one, in the words of strengths 1, 2, …, by the number of levels asked for.
STRENGTHS = {3: ("slightly", "clearly", "much"), 4: ("barely", "slightly", "clearly", "much")}


class RankingError(ValueError):
    """A ranking or rating breaks the rule. The message is one sentence for the person who gave it."""


def letter(index: int) -> str:
    """The name of the answer at that place of the shown order: A … Z, AA, AB, …"""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def check_groups(groups: Sequence[Sequence[str]], completion_ids: Collection[str], *, allow_ties: bool = True) -> None:
    """Raise RankingError unless `groups` names each of `completion_ids` exactly once, in non-empty groups, K ≥ 2."""
    known = {completion_id: letter(index) for index, completion_id in enumerate(completion_ids)}
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
    if missing := len(known) - len(seen):
        verb = "is" if missing == 1 else "are"
        raise RankingError(f"{missing} of {len(known)} answers {verb} not ranked yet; place every answer.")
    if not allow_ties and (tied := next((group for group in groups if len(group) > 1), None)):
        raise RankingError(
            f"This project asks for an order without ties; give {_listed(sorted(known[i] for i in tied))} "
            "ranks of their own."
        )


def check_strengths(strengths: Sequence[object] | None, groups: Sequence[object], levels: int) -> list[int] | None:
    """How much better each group is than the next one: 1 … `levels`, one less than there are groups.

    None where the project does not ask (`levels` 0). Raises RankingError when one is missing or none of the levels.
    """
    given = list(strengths or ())
    if not levels:
        if any(value is not None for value in given):
            raise RankingError("This project does not ask how much better a rank is than the next one.")
        return None
    found: list[int] = []
    for number in range(1, len(groups)):
        value = given[number - 1] if number <= len(given) else None
        if value is None:
            raise RankingError(f"Say how much better rank {number} is than rank {number + 1}.")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= levels:
            raise RankingError(f"How much better a rank is than the next one is 1 to {levels}, not {str(value)[:80]}.")
        found.append(value)
    if len(given) > len(found):
        raise RankingError(f"{len(groups)} ranks have {len(found)} steps between them, not {len(given)}.")
    return found


def steps_in_words(groups: Sequence[Sequence[str]], strengths: Sequence[int], levels: int) -> list[str]:
    """What `strengths` say between the ranks, as in "B clearly better than A and C", with `groups` of letters.

    `levels` is how many were asked for; where that is not known (0), they stay numbers.
    """
    words = {number: f"{word} better" for number, word in enumerate(STRENGTHS.get(levels, ()), start=1)}
    if not words:
        words = {strength: f"better (strength {strength})" for strength in strengths}
    return [
        f"{_listed(upper)} {words[strength]} than {_listed(lower)}"
        for upper, lower, strength in zip(groups, groups[1:], strengths, strict=False)
    ]


def check_ratings(
    fields: Sequence[Field], ratings: Mapping[str, object], completion_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The form's values by completion, without the completions that nobody said anything about.

    A plain number is the overall quality. Raises RankingError when a rating names an unknown completion, breaks the
    form or leaves out what the form requires.
    """
    for completion_id in ratings:
        if completion_id not in completion_ids:
            raise RankingError(f"A rating names {completion_id[:80]!r}, which is no answer of this task.")
    found: dict[str, dict[str, Any]] = {}
    for index, completion_id in enumerate(completion_ids):
        given = ratings.get(completion_id, {})
        try:
            values = check_values(fields, given if isinstance(given, Mapping) else {OVERALL: given})
        except FormError as error:
            raise RankingError(f"Answer {letter(index)}: {error}") from error
        if values:
            found[completion_id] = values
    return found


def doubts(
    groups: Sequence[Sequence[str]], shown: Sequence[str], ratings: Mapping[str, Mapping[str, Any]], *, all_bad: bool
) -> list[str]:
    """What looks as if it was left as it stood: sentences to ask a person about once, none for most rankings.

    The order in which the answers were shown, everything tied, or one and the same rating for answers that are ranked
    apart. Each may be meant, so nothing of it is refused.
    """
    if len(shown) < DOUBTED_FROM:
        return []
    found = []
    if [list(group) for group in groups] == [[completion_id] for completion_id in shown]:
        found.append("The ranking is exactly the order in which the answers were shown.")
    if len(groups) == 1 and not all_bad:
        found.append("All answers are tied.")
    overall = [ratings.get(completion_id, {}).get(OVERALL) for completion_id in shown]
    if len(groups) > 1 and None not in overall and len(set(overall)) == 1:
        found.append(f"All answers are rated {overall[0]}, but they are ranked apart.")
    return found


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


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
