"""Correcting an own label: a new one takes its place, the old one stays as it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from labeling.models import Assignment, Demonstration, Ranking, Task
from labeling.selectors.history import correction_ends_at
from labeling.selectors.reading import version_confirmed
from labeling.selectors.tasks import Terms
from labeling.services.assignments import assignment_lock, key_check
from labeling.services.demonstrations import demonstration_add
from labeling.services.disputes import task_ask_again
from labeling.services.rankings import ranking_add
from people.models import User
from people.refusals import Conflict, Refused


@transaction.atomic
def label_correct(
    *, assignment_id: UUID, labeler: User, key: str, **given: Any
) -> tuple[Demonstration | Ranking, bool]:
    """Put a corrected label in the place of the one that stands; returns it and whether it is new.

    `given` is what the kind of label takes: `text` and `prompt_values`, or what `ranking_add` takes. The same key
    again returns the label that it made, also when that was corrected since. The old label gets `superseded_at`, and
    stays in every snapshot that holds it. A ranking that now disagrees with others' lets the task ask for one more
    label; what was asked for before is not taken back. Raises Conflict when nothing is submitted yet or the edit
    window is over, Refused for someone else's task, for a label that breaks its rule and for one that says the same.
    """
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    key_check(key)
    kind: type[Demonstration] | type[Ranking]
    kind = Demonstration if assignment.task.kind == Task.Kind.DEMONSTRATION else Ranking
    if made := kind._default_manager.filter(assignment=assignment, correction_key=key).first():
        return made, False
    if assignment.state != Assignment.State.SUBMITTED:
        raise Conflict("This task has no label of yours yet; submit one first.")
    if key == assignment.idempotency_key:
        raise Refused("A correction needs a key of its own, not that of the first submit.")
    _within_window(assignment)
    standing = _supersede(kind, assignment)
    # It is given under what its labeler has read by now.
    assignment.instructions_version = max(
        assignment.instructions_version, version_confirmed(labeler, assignment.task.project)
    )
    add = demonstration_add if kind is Demonstration else ranking_add
    label = add(assignment=assignment, labeler=labeler, correction_key=key, **given)
    if standing is not None and _said(standing) == _said(label):
        raise Refused("Nothing is changed: your label stands as it is.")
    task_ask_again(task=assignment.task, terms=Terms.read_with(assignment.task.project))
    return label, True


def _within_window(assignment: Assignment) -> None:
    ends_at: datetime | None = correction_ends_at(assignment)
    if ends_at is None:
        raise Conflict("Labels of this project are not corrected afterwards.")
    if timezone.now() >= ends_at:
        hours = round((ends_at - assignment.submitted_at) / timedelta(hours=1)) if assignment.submitted_at else 0
        raise Conflict(
            f"A label can be corrected for {hours} hour{'' if hours == 1 else 's'} after it was submitted; "
            "that time is over, so ask your team about it."
        )


def _supersede(kind: type[Demonstration] | type[Ranking], assignment: Assignment) -> Demonstration | Ranking | None:
    standing = kind._default_manager.filter(assignment=assignment, superseded_at=None).first()
    if standing is not None:
        standing.superseded_at = timezone.now()
        standing.save(update_fields=["superseded_at"])
    return standing


def _said(label: Demonstration | Ranking) -> tuple[Any, ...]:
    """What a label says, whenever and under whatever version it was given. The order within a tie says nothing."""
    if isinstance(label, Demonstration):
        return label.text, label.prompt_values
    ratings = {rating.completion_id: (rating.overall, rating.values) for rating in label.ratings.all()}
    groups = [sorted(group) for group in label.groups]
    return groups, label.strengths, label.strength_levels, label.all_bad, label.note, label.prompt_values, ratings
