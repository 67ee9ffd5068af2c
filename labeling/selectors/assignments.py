"""Reads of assignments: one labeler's work, as the workplace shows it."""

from __future__ import annotations

from uuid import UUID

from labeling.models import Assignment, Completion, Task
from people.models import User


def assignment_for(labeler: User, assignment_id: UUID) -> Assignment | None:
    """The labeler's own assignment with its task, prompt and project; None for unknown ones and for other people's."""
    found = Assignment.objects.filter(pk=assignment_id, labeler=labeler)
    return found.select_related("task__prompt", "task__project").first()


def completions_shown(assignment: Assignment) -> list[Completion]:
    """The completions of a ranking task in the order drawn for this labeler; empty for a demonstration."""
    if assignment.task.kind != Task.Kind.RANKING:
        return []
    by_id = {str(c.pk): c for c in Completion.objects.filter(pk__in=assignment.shown_order)}
    return [by_id[completion_id] for completion_id in assignment.shown_order if completion_id in by_id]
