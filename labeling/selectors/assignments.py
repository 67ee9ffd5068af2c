"""Reads of assignments: one labeler's work, as the workplace shows it."""

from __future__ import annotations

import random
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Value

from labeling.models import Assignment, Completion
from people.access import LABELING
from people.models import Membership, User
from people.prepared import Prepared

_ASKED_ABOUT = Prepared(lambda task: Completion.objects.filter(task_completions__task=task).order_by(), task=int)


def assignments_of(labeler: User) -> QuerySet[Assignment]:
    """The labeler's assignments with task, project and setup; `may_label` says if they still label there."""
    return _assignments_of(labeler.pk, is_superuser=labeler.is_superuser)


def _assignments_of(labeler: int, *, is_superuser: bool) -> QuerySet[Assignment]:
    member = Membership.objects.filter(user=labeler, project=OuterRef("task__project"), role__in=LABELING)
    may_label = Value(True) if is_superuser else Exists(member)
    mine = Assignment.objects.filter(labeler=labeler).select_related("task__project__setup")
    return mine.annotate(may_label=may_label)


_TO_LOCK = {
    is_superuser: Prepared(
        lambda labeler, assignment, is_superuser=is_superuser: (
            _assignments_of(labeler, is_superuser=is_superuser).filter(pk=assignment).select_for_update(of=("self",))
        ),
        labeler=int,
        assignment=UUID,
    )
    for is_superuser in (False, True)
}


def assignment_locked(labeler: User, assignment_id: UUID) -> Assignment | None:
    """The labeler's own assignment, as in `assignments_of`, its row locked; None for unknown and other people's ones.

    Inside a transaction.
    """
    return _TO_LOCK[labeler.is_superuser].first(labeler=labeler.pk, assignment=assignment_id)


def assignment_for(labeler: User, assignment_id: UUID) -> Assignment | None:
    """The labeler's own assignment, with the prompt; None for unknown ones and for other people's."""
    return assignments_of(labeler).select_related("task__prompt").filter(pk=assignment_id).first()


def may_label(assignment: Assignment) -> bool:
    """Whether the labeler of an assignment from `assignments_of` labels in its project still."""
    return bool(assignment.may_label)  # type: ignore[attr-defined]  # annotated there


def completions_draw(assignment: Assignment) -> list[Completion]:
    """The task's completions in a random order, so that no place on the page favours a model; `completions_shown` of
    this very object returns them again.
    """
    drawn = _ASKED_ABOUT(task=assignment.task_id)
    random.shuffle(drawn)
    assignment.completions_drawn = drawn  # type: ignore[attr-defined]  # read below
    return drawn


def completions_shown(assignment: Assignment) -> list[Completion]:
    """The completions of a ranking task in the order drawn for this labeler; empty for a demonstration."""
    drawn: list[Completion] | None = getattr(assignment, "completions_drawn", None)
    if drawn is not None or not assignment.shown_order:
        return drawn or []
    by_id = {str(c.pk): c for c in Completion.objects.filter(pk__in=assignment.shown_order)}
    return [by_id[completion_id] for completion_id in assignment.shown_order if completion_id in by_id]
