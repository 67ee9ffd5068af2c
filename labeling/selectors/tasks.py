"""Reads of tasks: what is open to a labeler, and the terms under which it is handed out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from django.db.models import Case, Count, Exists, F, IntegerField, Max, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.models import Assignment, Instructions, ProjectSetup, Task
from people.access import LABELING, projects_for
from people.models import Project, User


@dataclass(frozen=True)
class Terms:
    """Under what a task is handed out now."""

    lease_minutes: int
    instructions_version: int


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


def terms_of(project: Project) -> Terms:
    """The project's lease length and newest version of its instructions (0: none written)."""
    row = Project.objects.filter(pk=project.pk).annotate(newest=Max("instructions__version"))
    lease_minutes, newest = row.order_by().values_list("setup__lease_minutes", "newest").get()
    # A project that nobody has set up yet runs on the defaults.
    return Terms(lease_minutes=lease_minutes or ProjectSetup().lease_minutes, instructions_version=newest or 0)


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
