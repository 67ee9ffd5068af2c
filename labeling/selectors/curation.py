"""Reads of curation: prompts as the rules see them, what each step did, and the funnel of a project."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from labeling.models import CurationStep, Prompt, PromptMask
from people.models import Project

_AT_ONCE = 200  # a prompt may have megabytes
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Stage:
    """One step of the funnel: how many prompts it took out and what was left, as of now."""

    step: CurationStep
    dropped: int
    left: int
    left_percent: float
    came_later: int  # prompts that came after the step and that it has not seen


@dataclass(frozen=True)
class Funnel:
    """A project's prompts from all that came in to those in use."""

    imported: int
    in_use: int
    in_use_percent: float
    stages: list[Stage]


def prompts_by_age(project: Project, *, dropped: bool = False, turns: bool = True) -> Iterator[tuple[UUID, Messages]]:
    """(id, messages) of a project's prompts in use, oldest first, streamed. Needs a transaction.

    With `dropped` also those out of use; without `turns` none that continues a dialogue held here.
    """
    prompts = Prompt.objects.filter(project=project)
    if not dropped:
        prompts = prompts.filter(dropped_by=None)
    if not turns:
        prompts = prompts.filter(parent=None)
    rows = prompts.order_by("created_at", "pk").values_list("pk", "messages")
    return rows.iterator(chunk_size=_AT_ONCE)


def funnel_of(project: Project) -> Funnel:
    """The standing steps in the order in which they were done, each with what is left after it."""
    imported = Prompt.objects.filter(project=project).count()
    dropped: dict[int | None, int] = dict(
        Prompt.objects.filter(project=project, dropped_by__isnull=False)
        .order_by()
        .values_list("dropped_by")
        .annotate(count=Count("pk"))
    )
    steps = list(
        CurationStep.objects.filter(project=project)
        .filter(Q(state=CurationStep.State.DONE) | Q(pk__in=[pk for pk in dropped if pk is not None]))
        .select_related("requested_by")
        .order_by("finished_at", "pk")
    )
    later = _came_later(project, steps)
    stages = []
    left = imported
    for step in steps:
        left -= dropped.get(step.pk, 0)
        stages.append(
            Stage(
                step=step,
                dropped=dropped.get(step.pk, 0),
                left=left,
                left_percent=_percent(left, imported),
                came_later=later.get(f"step_{step.pk}", 0),
            )
        )
    return Funnel(imported=imported, in_use=left, in_use_percent=_percent(left, imported), stages=stages)


def steps_of(project: Project) -> QuerySet[CurationStep]:
    """All steps of a project, newest first."""
    return CurationStep.objects.filter(project=project).select_related("project", "requested_by").order_by("-pk")


def prompts_dropped(step: CurationStep) -> QuerySet[Prompt]:
    """What a step holds out of use, oldest first, each with the prompt that was kept in its place."""
    return (
        Prompt.objects.filter(dropped_by=step)
        .select_related("project", "duplicate_of")
        .order_by("dropped_by", "created_at", "pk")
    )


def prompts_masked(step: CurationStep) -> QuerySet[PromptMask]:
    """In which prompts a step masked something, with the masked prompts."""
    return PromptMask.objects.filter(step=step).select_related("prompt__project").order_by("pk")


def _came_later(project: Project, steps: list[CurationStep]) -> dict[str, Any]:
    done = [step for step in steps if step.finished_at is not None]
    if not done:
        return {}
    counts = {f"step_{step.pk}": Count("pk", filter=Q(created_at__gt=step.finished_at)) for step in done}
    oldest = min(step.finished_at for step in done if step.finished_at is not None)
    return Prompt.objects.filter(project=project, created_at__gt=oldest).aggregate(**counts)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 100.0
