"""A project's labels as reviewers and managers look through them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef

from labeling.models import Assignment, Feedback
from labeling.selectors.history import Page, Wanted, page_of
from people.access import LABELING
from people.models import Project, User


@dataclass(frozen=True)
class ReviewWanted:
    """Which labels are looked for: those of `label`, of one labeler by user name, with feedback ("some") or without
    ("none").
    """

    label: Wanted
    labeler: str = ""
    feedback: str = ""


def labels_to_review(project: Project, wanted: ReviewWanted, cursor: str = "") -> Page:
    """One page of the project's labels, newest first, each with `has_feedback`."""
    labels = Assignment.objects.filter(task__project=project, state=Assignment.State.SUBMITTED)
    if wanted.labeler:
        labels = labels.filter(labeler__username=wanted.labeler)
    labels = labels.annotate(has_feedback=Exists(Feedback.objects.filter(assignment=OuterRef("pk"))))
    if wanted.feedback:
        labels = labels.filter(has_feedback=wanted.feedback == "some")
    return page_of(labels, wanted.label, cursor)


def label_for_review(project: Project, assignment_id: UUID) -> Assignment | None:
    """A submitted assignment of the project with its task, prompt and labeler."""
    found = Assignment.objects.filter(pk=assignment_id, task__project=project, state=Assignment.State.SUBMITTED)
    return found.select_related("task__prompt", "task__project", "labeler").first()


def labelers_of(project: Project) -> list[str]:
    """The user names of those who may label in the project now, by name."""
    members = User.objects.filter(memberships__project=project, memberships__role__in=LABELING)
    return list(members.order_by("username").distinct().values_list("username", flat=True))
