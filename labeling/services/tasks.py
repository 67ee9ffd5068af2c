"""Open tasks, take them out of use and bring them back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from labeling.lanes import lane_of, skills_needed
from labeling.models import Completion, CompletionBatch, ProjectSetup, Prompt, Task, TaskCompletion
from people.models import Cohort

_ROWS_AT_ONCE = 2000


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
    drawn here, is shared by several people. The number of queries does not depend on the number of tasks.
    """
    tasks = [
        Task(
            project_id=setup.project_id,
            prompt=prompt,
            kind=kind,
            lane=lane_of(cohort, skills_needed(setup.skills_by, language=prompt.language, category=prompt.category)),
            is_shared=_is_shared(setup),
            priority=priority,
            wanted=wanted,
            batch=batch,
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


def _is_shared(setup: ProjectSetup) -> bool:
    return random.randrange(100) < setup.shared_percent  # noqa: S311 - a sample, no secret
