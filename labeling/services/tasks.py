"""Open tasks, take them out of use and bring them back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.lanes import lane_of, skills_needed
from labeling.models import Completion, CompletionBatch, ProjectSetup, Prompt, Task, TaskCompletion
from labeling.services.jobs import in_use_lock
from people.models import Cohort
from people.refusals import Refused

_ROWS_AT_ONCE = 2000
Answer = TypeVar("Answer")
WANTED_MAX = 20


def task_open(
    *,
    setup: ProjectSetup,
    kind: str,
    prompts: Iterable[Prompt],
    completions: Iterable[Sequence[Completion]] | None = None,
    cohort: str = Cohort.TRAINING,
    priority: int = 0,
    wanted: int | None = None,
    batch: CompletionBatch | None = None,
) -> list[Task]:
    """Open one task of `kind` for each prompt, in the lane of `cohort` and of the skills that the prompt asks for.

    `completions` holds, for each prompt, the answers that its task asks about, in the task's own order; none for a
    demonstration. `wanted` labels of each, or, where it is None, as many as the project says: a share of the tasks,
    drawn here, is shared by several people. The task of a prompt that curation dropped is withdrawn as the step's own
    tasks are, and comes back with them; what the prompts are is read again here, behind the lock that curation takes.
    The number of queries does not depend on the number of tasks. Before: in a transaction.
    """
    prompts = list(prompts)
    in_use_lock(project_id=setup.project_id)
    rows = Prompt.objects.filter(pk__in={prompt.pk for prompt in prompts}).order_by()
    asked_of = {
        pk: (skills_needed(setup.skills_by, language=language, category=category), dropped_at)
        for pk, language, category, dropped_at in rows.values_list(
            "pk", "language", "category", "dropped_by__finished_at"
        )
    }
    tasks = [
        Task(
            project_id=setup.project_id,
            prompt=prompt,
            kind=kind,
            lane=lane_of(cohort, asked_of[prompt.pk][0]),
            is_shared=_is_shared(setup),
            priority=priority,
            wanted=wanted,
            batch=batch,
            withdrawn_at=asked_of[prompt.pk][1],
        )
        for prompt in prompts
    ]
    Task.objects.bulk_create(tasks, batch_size=_ROWS_AT_ONCE)
    if completions is not None:
        TaskCompletion.objects.bulk_create(
            (
                TaskCompletion(task=task, completion=completion, position=position)
                for task, asked in zip(tasks, completions, strict=True)
                for position, completion in enumerate(asked)
            ),
            batch_size=_ROWS_AT_ONCE,
        )
    return tasks


def shares_of(answers: Sequence[Answer], most: int) -> list[list[Answer]]:
    """The answers to one prompt, dealt out to tasks of at most `most` each, in equal parts as far as that goes.

    A task needs two answers, so that one which would stand alone joins another task and makes it one larger.
    """
    count = max(1, min(-(-len(answers) // most), len(answers) // 2))
    size, larger = divmod(len(answers), count)
    ends = [size * (n + 1) + min(n + 1, larger) for n in range(count)]
    return [list(answers[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _is_shared(setup: ProjectSetup) -> bool:
    return random.randrange(100) < setup.shared_percent  # noqa: S311 - a sample, no secret


def tasks_withdraw(*, prompts: Iterable[UUID] | QuerySet[Prompt], at: datetime | None = None) -> int:
    """Take the tasks of these prompts out of use; returns how many. Those that are withdrawn already stay as they are.

    Who is at work on one may still submit: the label is kept as an extra one. `at` marks this withdrawal, so that
    `tasks_restore` can find it again.
    """
    standing = Task.objects.filter(prompt__in=prompts, withdrawn_at=None)
    return standing.update(withdrawn_at=at or timezone.now())


def tasks_restore(*, prompts: Iterable[UUID] | QuerySet[Prompt], at: datetime | None = None) -> int:
    """Bring withdrawn tasks of these prompts back, of one withdrawal where `at` names it; returns how many."""
    withdrawn = Task.objects.filter(prompt__in=prompts, withdrawn_at__isnull=False)
    if at is not None:
        withdrawn = withdrawn.filter(withdrawn_at=at)
    return withdrawn.update(withdrawn_at=None)


@transaction.atomic
def task_change(
    *, task_id: int, priority: int | None = None, wanted: int | None = None, withdrawn: bool | None = None
) -> Task:
    """Change what comes first, how many labels the task wants by itself (0: as the project says), or take it out of
    use and back. What is None stays. Raises Refused when the number of labels is out of its range, or when curation
    took the task's prompt out of use.
    """
    if withdrawn is False:
        in_use_lock(project_id=Task.objects.values_list("project_id", flat=True).get(pk=task_id))
    locked = Task.objects.select_for_update(no_key=True, of=("self",))
    task = locked.select_related("project", "prompt").get(pk=task_id)
    if priority is not None:
        task.priority = priority
    if wanted is not None:
        if not 0 <= wanted <= WANTED_MAX:
            raise Refused(f"A task wants 1 to {WANTED_MAX} labels, or 0 for as many as the project says.")
        task.wanted = wanted or None
    if withdrawn is False and task.prompt.dropped_by_id is not None:
        raise Refused("Curation took this task's prompt out of use; undo that step to hand the task out again.")
    if withdrawn is not None and withdrawn != (task.withdrawn_at is not None):
        task.withdrawn_at = timezone.now() if withdrawn else None
    task.save(update_fields=["priority", "wanted", "withdrawn_at"])
    return task
