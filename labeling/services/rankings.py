"""Giving rankings: all completions of a task in ordered groups, each rated on its own before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from exchange.text import written
from labeling.forms import OVERALL, FormError, check_values
from labeling.models import Assignment, Ranking, Rating, Task
from labeling.rankings import RankingError, check_groups, check_ratings, check_strengths
from labeling.selectors.forms import form_of
from labeling.selectors.tasks import setup_of
from labeling.services.assignments import assignment_close, assignment_is_repeat, assignment_lock, provenance_of
from labeling.services.effort import effort_note
from people.models import User
from people.refusals import Refused

NOTE_MAX = 5_000
RANKED = (Task.Kind.RANKING, Task.Kind.COMPARISON, Task.Kind.EVALUATION)


@transaction.atomic
def ranking_submit(
    *,
    assignment_id: UUID,
    labeler: User,
    key: str,
    groups: Sequence[Sequence[str]],
    ratings: Mapping[str, Any] | None = None,
    strengths: Sequence[object] | None = None,
    all_bad: bool = False,
    prompt_values: Mapping[str, Any] | None = None,
    note: str = "",
    focus_seconds: int = 0,
    signals: Mapping[str, Any] | None = None,
) -> tuple[Ranking, bool]:
    """Add the ranking with its ratings and close its slot; returns it and whether it is new.

    What is said stands at `ranking_add`; `focus_seconds` and `signals` are what the workplace measured. The same key
    again returns the first answer, unchanged. Raises Refused when the ranking breaks its rule or the task is someone
    else's, Conflict when the task is submitted under another key.
    """
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    kind = assignment.task.kind if assignment.task.kind in RANKED else Task.Kind.RANKING
    if assignment_is_repeat(assignment=assignment, kind=kind, key=key):
        return Ranking.objects.get(assignment=assignment, correction_key=""), False
    ranking = ranking_add(
        assignment=assignment,
        labeler=labeler,
        groups=groups,
        ratings=ratings,
        strengths=strengths,
        all_bad=all_bad,
        prompt_values=prompt_values,
        note=note,
    )
    effort_note(assignment=assignment, focus_seconds=focus_seconds, signals=signals)
    assignment_close(assignment=assignment, key=key)
    return ranking, True


def ranking_add(
    *,
    assignment: Assignment,
    labeler: User,
    groups: Sequence[Sequence[str]],
    ratings: Mapping[str, Any] | None = None,
    strengths: Sequence[object] | None = None,
    all_bad: bool = False,
    prompt_values: Mapping[str, Any] | None = None,
    note: str = "",
    correction_key: str = "",
) -> Ranking:
    """The label itself, for the labeler's locked assignment, which stays as it is.

    `groups` are completion ids, best first, several in a group being a tie; none at all beside `all_bad` ties them
    all. `ratings` are the form's values by completion id, or a plain number for the overall quality alone;
    `prompt_values` the form's values about the prompt; `strengths` how much better each group is than the next one,
    where the project asks. Raises Refused when one breaks its rule.
    """
    shown, project = assignment.shown_order, assignment.task.project
    setup = setup_of(project)
    form = form_of(project, assignment.form_version)
    if all_bad and not groups:
        groups = [list(shown)]
    try:
        check_groups(groups, shown, allow_ties=setup.allow_ties or (all_bad and len(groups) == 1))
        judged = check_ratings(form.fields, ratings or {}, shown)
        steps = check_strengths(strengths, groups, setup.strength_levels)
        about_prompt = check_values(form.prompt_fields, prompt_values or {})
    except (RankingError, FormError) as error:
        raise Refused(str(error)) from error
    note = written(note)
    if len(note) > NOTE_MAX:
        raise Refused(f"The note is {len(note):,} characters long; keep it to {NOTE_MAX:,}.")
    ranking = Ranking.objects.create(
        prompt_id=assignment.task.prompt_id,
        groups=[list(group) for group in groups],
        strengths=steps,
        strength_levels=setup.strength_levels,
        all_bad=all_bad,
        note=note,
        labeler=labeler,
        provenance=provenance_of(labeler),
        instructions_version=assignment.instructions_version,
        form_version=assignment.form_version,
        prompt_values=about_prompt,
        assignment=assignment,
        correction_key=correction_key,
    )
    Rating.objects.bulk_create(
        Rating(
            ranking=ranking,
            completion_id=UUID(completion_id),
            overall=values.get(OVERALL),
            values={name: value for name, value in values.items() if name != OVERALL},
        )
        for completion_id, values in judged.items()
    )
    return ranking
