"""Open tasks on prompts that are there: demonstrations to write, or answers that are there to judge."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import transaction

from labeling.models import Completion, Prompt, Task
from labeling.services.jobs import in_use_lock
from labeling.services.projects import project_setup_ensure
from labeling.services.tasks import shares_of, task_open
from people.models import Project
from people.refusals import Refused

PROMPTS_MAX = 1_000


@transaction.atomic
def tasks_open_on(
    *,
    project: Project,
    prompts: Collection[UUID],
    kind: str,
    cohort: str,
    priority: int = 0,
    wanted: int | None = None,
    models: Collection[str] = (),
) -> list[Task]:
    """Open tasks of `kind` for `cohort` on these prompts: all of them or none.

    What is judged are a prompt's completions of different texts, of `models` only where they are named, at most K in
    one task; a demonstration task is opened where the prompt has none. Raises Refused for prompts that the project
    does not have or that are out of use, and for those with fewer than two answers to judge.
    """
    if len(prompts) > PROMPTS_MAX:
        raise Refused(f"There are {len(prompts):,} prompts; name {PROMPTS_MAX:,} at a time.")
    in_use_lock(project_id=project.pk)
    found = Prompt.objects.filter(project=project, dropped_by=None).in_bulk(list(prompts))
    if missing := next((pk for pk in prompts if pk not in found), None):
        raise Refused(f"{project.name} has no prompt {missing} in use.")
    setup = project_setup_ensure(project=project)
    given: dict[str, Any] = {"setup": setup, "kind": kind, "cohort": cohort, "priority": priority, "wanted": wanted}
    if kind == Task.Kind.DEMONSTRATION:
        asked = set(Task.objects.filter(prompt__in=found, kind=kind).values_list("prompt_id", flat=True))
        return task_open(**given, prompts=[prompt for pk, prompt in found.items() if pk not in asked])
    completions = Completion.objects.filter(prompt__in=found).order_by("created_at", "pk")
    if models:
        completions = completions.filter(model__in=models)
    by_prompt: dict[UUID, dict[str, Completion]] = {pk: {} for pk in found}
    for completion in completions:
        by_prompt[completion.prompt_id].setdefault(completion.text.strip(), completion)
    if few := next((pk for pk, texts in by_prompt.items() if len(texts) < 2), None):
        raise Refused(f"The prompt {few} has {len(by_prompt[few])} different answers; there is nothing to compare.")
    parts = [
        (found[pk], part)
        for pk, texts in by_prompt.items()
        for part in shares_of(list(texts.values()), setup.answers_per_task)
    ]
    return task_open(**given, prompts=[prompt for prompt, _ in parts], completions=[part for _, part in parts])
