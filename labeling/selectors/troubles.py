"""Reads of what labelers found wrong with tasks: flags, and skips by kind."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from labeling.models import Assignment, Flag, SkipKind, Task
from people.models import Project, User


def flags_of(project: Project, *, is_open: bool | None = None) -> QuerySet[Flag]:
    """The project's flags, newest first, with task, prompt and people; only open or only settled ones where asked."""
    flags = Flag.objects.filter(task__project=project).select_related("task__prompt", "raised_by", "settled_by")
    if is_open is not None:
        flags = flags.filter(settled_at__isnull=is_open)
    return flags.order_by("-created_at", "-pk")


def flags_by(labeler: User, task: Task) -> QuerySet[Flag]:
    """The labeler's own flags on the task, oldest first, with who settled them."""
    return Flag.objects.filter(task=task, raised_by=labeler).select_related("settled_by").order_by("created_at", "pk")


def skips_of(project: Project, kind: str | None = None) -> QuerySet[Assignment]:
    """What labelers skipped and did not take up again, latest claim first; of one kind where asked."""
    skips = Assignment.objects.filter(task__project=project, state=Assignment.State.SKIPPED)
    if kind is not None:
        skips = skips.filter(skip_kind=kind)
    return skips.select_related("task__prompt", "labeler").order_by("-claimed_at", "pk")


def skips_by_kind(project: Project) -> dict[str, int]:
    """How many skips stand of each kind, every kind named; those without a kind under the empty one."""
    rows = skips_of(project).order_by().values_list("skip_kind").annotate(count=Count("pk"))
    return {**dict.fromkeys([*SkipKind.values, ""], 0), **dict(rows)}
