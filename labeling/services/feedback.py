"""Feedback on a label: what a reviewer or manager tells the labeler who gave it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from exchange.text import written
from labeling.models import Assignment, Feedback, Task
from people.access import REVIEWING, has_role
from people.models import User
from people.refusals import Refused

TEXT_MAX = 5_000
GRADES = range(1, 8)


@transaction.atomic
def feedback_give(
    *, assignment_id: UUID, reviewer: User, grade: int | None = None, text: str = ""
) -> tuple[Feedback, bool]:
    """Add a grade 1–7 (of a demonstration), words, or both; returns the feedback and whether it is new.

    The same again from the same reviewer adds nothing, so that a double click is harmless. Raises Refused where
    there is no label yet, for an own label, and for a grade or text that breaks the rule.
    """
    text = written(text)
    # The lock makes two clicks one after the other; the label itself stays as it is.
    assignment = (
        Assignment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("task__project")
        .filter(pk=assignment_id)
        .first()
    )
    if assignment is None or not has_role(reviewer, assignment.task.project, REVIEWING):
        raise Refused("There is no such label.")
    if assignment.state != Assignment.State.SUBMITTED:
        raise Refused("This task has no label of this person yet; feedback is given on labels.")
    if assignment.labeler_id == reviewer.pk:
        raise Refused("This label is your own; somebody else gives feedback on it.")
    if grade is not None and assignment.task.kind != Task.Kind.DEMONSTRATION:
        raise Refused("A grade is for a written answer; say in words what you think of a ranking.")
    if grade is not None and grade not in GRADES:
        raise Refused(f"A grade is a whole number from 1 to 7, not {grade}.")
    if grade is None and not text:
        raise Refused("Give a grade, a few words, or both.")
    if len(text) > TEXT_MAX:
        raise Refused(f"The feedback is {len(text):,} characters long; keep it to {TEXT_MAX:,}.")
    newest = Feedback.objects.filter(assignment=assignment, reviewer=reviewer).first()
    if newest is not None and (newest.grade, newest.text) == (grade, text):
        return newest, False
    return Feedback.objects.create(assignment=assignment, reviewer=reviewer, grade=grade, text=text), True


def feedback_mark_seen(*, assignment: Assignment, labeler: User) -> int:
    """Note that the labeler saw the feedback on their label; returns how much of it was new to them."""
    if assignment.labeler_id != labeler.pk:
        return 0
    return Feedback.objects.filter(assignment=assignment, seen_at=None).update(seen_at=timezone.now())
