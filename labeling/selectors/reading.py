"""Who has read which version of the instructions, and what changed since."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max, Q

from labeling.diff import Piece, difference
from labeling.models import Assignment, Instructions, InstructionsRead
from people.models import Project, User

_PARTS = {
    "text": "Instructions",
    "examples": "Examples",
    "training_priorities": "What comes first, in labels for training",
    "evaluation_priorities": "What comes first, in evaluations",
}


@dataclass(frozen=True)
class Reading:
    """The newest version of a project's instructions, and the newest that a labeler said to have read; 0: none."""

    newest: int
    confirmed: int

    @property
    def is_due(self) -> bool:
        """Whether the newest version waits to be read."""
        return self.newest > self.confirmed


@dataclass(frozen=True)
class Change:
    """A part of the instructions that is not what it was."""

    title: str
    pieces: list[Piece]

    @property
    def is_new(self) -> bool:
        """Whether there was nothing of it before."""
        return all(piece.kind == "in" or not piece.text.strip() for piece in self.pieces)


def reading_of(labeler: User, project: Project) -> Reading:
    """Where the labeler stands with the project's instructions; one query."""
    return readings_of(labeler, [project])[project.pk]


def readings_of(labeler: User, projects: list[Project]) -> dict[int, Reading]:
    """The same for several projects by their primary key; one query."""
    rows = (
        Instructions.objects.filter(project__in=projects)
        .order_by()
        .values("project")
        .annotate(newest=Max("version"), confirmed=Max("version", filter=Q(reads__labeler=labeler)))
        .values_list("project", "newest", "confirmed")
    )
    found = {project: Reading(newest, confirmed or 0) for project, newest, confirmed in rows}
    return {project.pk: found.get(project.pk, Reading(0, 0)) for project in projects}


def version_confirmed(labeler: User, project: Project) -> int:
    """The newest version that the labeler said to have read; 0: none."""
    return reading_of(labeler, project).confirmed


def is_confirmed(assignment: Assignment) -> bool:
    """Whether its labeler said to have read the version that it is given under; true where there is none."""
    if not assignment.instructions_version:
        return True
    return InstructionsRead.objects.filter(
        labeler_id=assignment.labeler_id,
        instructions__project_id=assignment.task.project_id,
        instructions__version=assignment.instructions_version,
    ).exists()


def changes_between(old: Instructions, new: Instructions) -> list[Change]:
    """The parts that differ, each as the pieces of both texts."""
    return [
        Change(title, difference(getattr(old, part), getattr(new, part)))
        for part, title in _PARTS.items()
        if getattr(old, part).strip() != getattr(new, part).strip()
    ]
