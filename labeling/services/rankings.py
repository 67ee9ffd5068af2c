"""Giving rankings: all completions of a task in ordered groups, with an optional rating of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from labeling.models import Assignment, Ranking, Rating, Task
from labeling.rankings import RankingError, check_groups, check_ratings
from labeling.services.assignments import assignment_close, assignment_is_repeat, assignment_lock, provenance_of
from people.models import User
from people.refusals import Refused

NOTE_MAX = 5_000


@transaction.atomic
def ranking_submit(
    *,
    assignment_id: UUID,
    labeler: User,
    key: str,
    groups: Sequence[Sequence[str]],
    ratings: Mapping[str, int],
    note: str = "",
) -> tuple[Ranking, bool]:
    """Add the ranking with its ratings and close its slot; returns it and whether it is new.

    `groups` are completion ids, best first, several in a group being a tie; `ratings` 1–7 by completion id, where
    given. The same key again returns the first answer, unchanged. Raises Refused when the ranking breaks its rule or
    the task is someone else's, Conflict when the task is submitted under another key.
    """
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if assignment_is_repeat(assignment=assignment, kind=Task.Kind.RANKING, key=key):
        return Ranking.objects.get(assignment=assignment, correction_key=""), False
    ranking = ranking_add(assignment=assignment, labeler=labeler, groups=groups, ratings=ratings, note=note)
    assignment_close(assignment=assignment, key=key)
    return ranking, True


def ranking_add(
    *,
    assignment: Assignment,
    labeler: User,
    groups: Sequence[Sequence[str]],
    ratings: Mapping[str, int],
    note: str = "",
    correction_key: str = "",
) -> Ranking:
    """The label itself, for the labeler's locked assignment, which stays as it is; corrections are added by it too.

    Raises Refused when it breaks its rule.
    """
    try:
        check_groups(groups, assignment.shown_order)
        check_ratings(ratings, assignment.shown_order)
    except RankingError as error:
        raise Refused(str(error)) from error
    if len(note) > NOTE_MAX:
        raise Refused(f"The note is {len(note):,} characters long; keep it to {NOTE_MAX:,}.")
    ranking = Ranking.objects.create(
        prompt=assignment.task.prompt,
        groups=[list(group) for group in groups],
        note=note.strip(),
        labeler=labeler,
        provenance=provenance_of(labeler),
        instructions_version=assignment.instructions_version,
        assignment=assignment,
        correction_key=correction_key,
    )
    Rating.objects.bulk_create(
        Rating(ranking=ranking, completion_id=UUID(completion_id), overall=overall)
        for completion_id, overall in ratings.items()
    )
    return ranking
