"""Reads of tasks: what is open to a labeler, and the terms under which it is handed out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, time

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.lanes import lanes_open_to
from labeling.models import Assignment, Instructions, ProjectSetup, RatingForm, Task
from people.access import LABELING, projects_for
from people.models import Cohort, Membership, Project, User


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


@dataclass(frozen=True)
class Queue:
    """A project as a labeler sees it."""

    project: Project
    open_demonstrations: int
    open_rankings: int
    done_today: int
    done: int
    in_work: list[Assignment]
    unfinished: list[Assignment]

    @property
    def open(self) -> int:
        """Tasks of any kind that the labeler could take now."""
        return self.open_demonstrations + self.open_rankings


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


def tasks_open_to(labeler: User) -> QuerySet[Task]:
    """Tasks with an open slot that the labeler has not had, in no order."""
    had = Assignment.objects.filter(task=OuterRef("pk"), labeler=labeler)
    tasks = Task.objects.filter(~Exists(had), withdrawn_at=None)
    return tasks.annotate(labels=labels_wanted()).filter(taken__lt=F("labels"))


def setup_of(project: Project) -> ProjectSetup:
    """The project's setup, as it was read with the project where it was; the defaults where nobody has set it up."""
    try:
        return project.setup
    except ProjectSetup.DoesNotExist:
        return ProjectSetup(project=project)


def projects_with_terms() -> QuerySet[Project]:
    """Projects with what `terms_of` needs: the setup, and the newest versions of instructions and rating form."""
    newest = {"instructions_version": _newest(Instructions), "form_version": _newest(RatingForm)}
    return Project.objects.select_related("setup").annotate(**newest)


def terms_of(project: Project) -> Terms:
    """What the project says now, without a query for one of `projects_with_terms`; defaults where it has no setup."""
    if not hasattr(project, "form_version"):
        project = projects_with_terms().get(pk=project.pk)
    versions = {name: getattr(project, name) for name in ("instructions_version", "form_version")}
    return replace(Terms.read_with(project), **versions)


def memberships_of(labeler: User, project: Project) -> QuerySet[Membership]:
    """The roles in which the labeler may label in the project."""
    return Membership.objects.filter(user=labeler, project=project, role__in=LABELING).order_by()


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


def _newest(versioned: type[Instructions] | type[RatingForm]) -> Coalesce:
    newest = versioned._default_manager.filter(project=OuterRef("pk")).order_by("-version").values("version")[:1]
    return Coalesce(Subquery(newest), Value(0))


def queues_for(labeler: User) -> list[Queue]:
    """The labeler's active projects with what is open, in work and done; a fixed number of queries."""
    projects = list(projects_for(labeler, LABELING).filter(is_active=True))
    unsorted = tasks_open_to(labeler).filter(project__in=projects).order_by()
    open_tasks = {
        (project, kind): count
        for project, kind, count in unsorted.values_list("project", "kind").annotate(count=Count("pk"))
    }
    submitted = Assignment.objects.filter(
        labeler=labeler, task__project__in=projects, state=Assignment.State.SUBMITTED
    )
    today = Count("pk", filter=Q(submitted_at__gte=_midnight()))
    done = {
        project: (day, total)
        for project, day, total in submitted.order_by()
        .values_list("task__project")
        .annotate(today=today, total=Count("pk"))
    }
    started = Assignment.objects.filter(
        Q(state=Assignment.State.LEASED) | Q(state=Assignment.State.EXPIRED, draft_saved_at__isnull=False),
        labeler=labeler,
        task__project__in=projects,
    ).select_related("task__prompt")
    return [
        Queue(
            project=project,
            open_demonstrations=open_tasks.get((project.pk, Task.Kind.DEMONSTRATION), 0),
            open_rankings=open_tasks.get((project.pk, Task.Kind.RANKING), 0),
            done_today=done.get(project.pk, (0, 0))[0],
            done=done.get(project.pk, (0, 0))[1],
            in_work=[a for a in started if a.task.project_id == project.pk and a.state == Assignment.State.LEASED],
            unfinished=[a for a in started if a.task.project_id == project.pk and a.state == Assignment.State.EXPIRED],
        )
        for project in projects
    ]


def done_today(labeler: User, project: Project) -> int:
    """How many labels the labeler has given in the project since midnight."""
    return Assignment.objects.filter(labeler=labeler, task__project=project, submitted_at__gte=_midnight()).count()


def instructions_of(project: Project, version: int | None = None) -> Instructions | None:
    """One version of the project's instructions, the newest when none is named; None where there is none."""
    versions = Instructions.objects.filter(project=project).order_by("-version")
    return (versions if version is None else versions.filter(version=version)).first()


def _midnight() -> datetime:
    return timezone.make_aware(datetime.combine(timezone.localdate(), time.min))
