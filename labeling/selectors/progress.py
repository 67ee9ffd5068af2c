"""What a labeler did today and this week, and what waits for them in each project. Own work only, nobody else's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Count, Q, Sum
from django.utils import timezone

from labeling.models import Announcement, Assignment, Task
from labeling.selectors.open_work import OpenCount, open_counts
from labeling.selectors.reading import Reading, readings_of
from people.access import LABELING, projects_for
from people.models import Project, User

_VERBS: dict[str, str] = {
    Task.Kind.DEMONSTRATION: "Write answers",
    Task.Kind.RANKING: "Rank answers",
    Task.Kind.COMPARISON: "Compare in dialogues",
    Task.Kind.EVALUATION: "Evaluate answers",
}
_STATE = Assignment.State


@dataclass(frozen=True)
class Done:
    """Labels of one kind in one project, and the seconds in focus that they took: today, and since Monday."""

    project: str
    kind: str
    today: int
    week: int
    seconds_today: int
    seconds_week: int

    @property
    def kind_name(self) -> str:
        """The kind in words."""
        return Task.Kind(self.kind).label


@dataclass(frozen=True)
class Open:
    """Tasks of one kind that the labeler could take now; counted up to 100, or as far as was looked."""

    kind: str
    counted: OpenCount

    @property
    def verb(self) -> str:
        """What taking one is called on a button."""
        return _VERBS[self.kind]

    @property
    def shown(self) -> str:
        """The count in words."""
        if self.counted.is_more:
            return f"{self.counted.count}+" if self.counted.count else "few"
        return str(self.counted.count)


@dataclass(frozen=True)
class ProjectWork:
    """A project as one of its labelers sees it."""

    project: Project
    open: list[Open]
    done_today: int
    done_week: int
    in_work: list[Assignment]
    unfinished: list[Assignment]
    reading: Reading


def progress_of(labeler: User) -> list[Done]:
    """Today and this week, a row for each project and kind with labels since Monday; one query."""
    today = _midnight()
    monday = today - timedelta(days=timezone.localdate().weekday())
    since_midnight = Q(submitted_at__gte=today)
    rows = (
        Assignment.objects.filter(labeler=labeler, state=_STATE.SUBMITTED, submitted_at__gte=monday)
        .order_by("task__project__name", "task__kind")
        .values_list("task__project__slug", "task__kind")
        .annotate(
            today=Count("pk", filter=since_midnight),
            week=Count("pk"),
            seconds_today=Sum("focus_seconds", filter=since_midnight, default=0),
            seconds_week=Sum("focus_seconds", default=0),
        )
    )
    return [Done(*row) for row in rows]


def work_of(labeler: User, done: list[Done]) -> list[ProjectWork]:
    """The labeler's active projects, those of higher priority first; a fixed number of queries.

    `done` is their progress. What is open is counted up to 100, so that a million open tasks cost no more.
    """
    projects = list(projects_for(labeler, LABELING).filter(is_active=True).select_related("setup"))
    projects.sort(key=lambda project: (-_priority(project), project.name))
    open_tasks = _open(labeler, projects)
    readings = readings_of(labeler, projects)
    started = list(
        Assignment.objects.filter(
            Q(state__in=(_STATE.LEASED, _STATE.OFFERED)) | Q(state=_STATE.EXPIRED, draft_saved_at__isnull=False),
            labeler=labeler,
            task__project__in=projects,
        )
        .select_related("task__prompt")
        .order_by("claimed_at")
    )
    return [
        ProjectWork(
            project=project,
            open=open_tasks.get(project.pk, []),
            done_today=sum(row.today for row in done if row.project == project.slug),
            done_week=sum(row.week for row in done if row.project == project.slug),
            in_work=[a for a in started if a.task.project_id == project.pk and a.state != _STATE.EXPIRED],
            unfinished=[a for a in started if a.task.project_id == project.pk and a.state == _STATE.EXPIRED],
            reading=readings[project.pk],
        )
        for project in projects
    ]


def announcements_for(projects: list[Project]) -> list[Announcement]:
    """What is announced in the projects now, newest first, at most 20."""
    shown = Announcement.objects.filter(Q(ends_at=None) | Q(ends_at__gt=timezone.now()), project__in=projects)
    return list(shown.select_related("project")[:20])


def _priority(project: Project) -> int:
    setup = getattr(project, "setup", None)
    return setup.priority if setup else 0


def _open(labeler: User, projects: list[Project]) -> dict[int, list[Open]]:
    """What is open by project, in the order of kinds."""
    counts = open_counts(labeler, projects)
    found: dict[int, list[Open]] = {}
    for kind in Task.Kind.values:
        for project in projects:
            if counted := counts.get((project.pk, kind)):
                found.setdefault(project.pk, []).append(Open(kind, counted))
    return found


def _midnight() -> datetime:
    return timezone.make_aware(datetime.combine(timezone.localdate(), time.min))
