"""Reads of tasks: what is open, under which terms it is handed out, and who may get it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, time

from django.db import connection
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.lanes import lanes_open_to
from labeling.models import Assignment, Instructions, ProjectSetup, Task
from people.access import LABELING
from people.models import Cohort, Membership, Project, User
from people.prepared import Prepared

_VERSIONS = """
    SELECT
        coalesce((SELECT max(version) FROM labeling_instructions WHERE project_id = %(project)s), 0),
        coalesce((SELECT max(version) FROM labeling_ratingform WHERE project_id = %(project)s), 0)
"""


@dataclass(frozen=True)
class Terms:
    """Under what a project's tasks are handed out now: its settings, and the versions that a label is given under."""

    kinds: list[str]
    overlap: int
    max_labels: int
    agreement_floor: int
    lease_minutes: int
    open_cap: int
    daily_cap: int | None
    instructions_version: int
    form_version: int

    @classmethod
    def read_with(cls, project: Project) -> Terms:
        """Without a query, for a project that was read with its setup; the versions are not known then, and 0."""
        setup = setup_of(project)
        names = [field.name for field in fields(cls) if not field.name.endswith("_version")]
        return cls(**{name: getattr(setup, name) for name in names}, instructions_version=0, form_version=0)

    def labels_wanted(self, task: Task) -> int:
        """What the task says itself, else what the project says of shared tasks, else one."""
        return task.wanted or (self.overlap if task.is_shared else 1)

    def is_open(self, task: Task) -> bool:
        """Whether the task has a slot to give away."""
        return task.withdrawn_at is None and task.taken < self.labels_wanted(task)

    def open_tasks(self, path: str = "") -> Q:
        """`is_open` as a condition on the project's tasks; `path` leads to the task, as in `"task__"`."""
        of_project = Q(**{f"{path}is_shared": True, f"{path}taken__lt": self.overlap}) | Q(**{f"{path}taken": 0})
        more = Q(**{f"{path}taken__lt": F(f"{path}wanted")}) | Q(of_project, **{f"{path}wanted": None})
        return Q(more, **{f"{path}withdrawn_at": None})


@dataclass(frozen=True)
class Standing:
    """What decides which tasks of a project a labeler may get."""

    cohort: str
    skills: tuple[str, ...]

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes whose tasks they may get."""
        return tuple(lanes_open_to(self.cohort, self.skills))


def labels_wanted(task: str = "") -> Coalesce:
    """How many labels a task wants: what it says itself, else what its project says of shared tasks, else one.

    `task` is the path to the task, as in `"task__"`, where the query is not about tasks. To be used as an annotation:
    in a filter, the join would leave out the projects that nobody has set up.
    """
    of_project = Case(When(**{f"{task}is_shared": True}, then=F(f"{task}project__setup__overlap")))
    return Coalesce(f"{task}wanted", of_project, Value(1), output_field=IntegerField())


def tasks_open(project: Project) -> QuerySet[Task]:
    """The project's tasks that want more labels than were given away, in no order."""
    tasks = Task.objects.filter(project=project, withdrawn_at=None).order_by()
    return tasks.annotate(labels=labels_wanted()).filter(taken__lt=F("labels"))


def setup_of(project: Project) -> ProjectSetup:
    """The project's setup, as it was read with the project where it was; the defaults where nobody has set it up."""
    try:
        return project.setup
    except ProjectSetup.DoesNotExist:
        return ProjectSetup(project=project)


def terms_of(project: Project) -> Terms:
    """What the project says now; one query for a project that was read with its setup."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, {"project": project.pk})
        instructions_version, form_version = cursor.fetchone()
    return replace(Terms.read_with(project), instructions_version=instructions_version, form_version=form_version)


_MEMBERSHIPS = Prepared(
    lambda user, project: Membership.objects.filter(user=user, project=project, role__in=LABELING).order_by(),
    user=int,
    project=int,
)


def memberships_of(labeler: User, project: Project) -> list[Membership]:
    """The roles in which the labeler may label in the project."""
    return _MEMBERSHIPS(user=labeler.pk, project=project.pk)


def standing_of(labeler: User, memberships: Iterable[Membership]) -> Standing | None:
    """The labeler's cohort and skills by these memberships; None for who does not label there.

    Whoever is held out in one role is held out. A superuser without a membership stands with the training labelers.
    """
    found = list(memberships)
    if not labeler.is_active or not (found or labeler.is_superuser):
        return None
    cohorts = {membership.cohort for membership in found}
    skills = {str(skill) for membership in found for skill in membership.skills or []}
    return Standing(Cohort.HELD_OUT if Cohort.HELD_OUT in cohorts else Cohort.TRAINING, tuple(sorted(skills)))


def done_today(labeler: User, project: Project) -> int:
    """How many labels the labeler has given in the project since midnight."""
    mine = Assignment.objects.filter(labeler=labeler, state=Assignment.State.SUBMITTED)  # as the index on history says
    return mine.filter(task__project=project, submitted_at__gte=_midnight()).count()


def instructions_of(project: Project, version: int | None = None) -> Instructions | None:
    """One version of the project's instructions, the newest when none is named; None where there is none."""
    versions = Instructions.objects.filter(project=project).order_by("-version")
    return (versions if version is None else versions.filter(version=version)).first()


def _midnight() -> datetime:
    return timezone.make_aware(datetime.combine(timezone.localdate(), time.min))
