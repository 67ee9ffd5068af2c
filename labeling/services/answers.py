"""Answers to a prompt that come from outside a training run, and the task that asks about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.db import transaction

from exchange.text import storable_text
from labeling.models import Completion, Prompt, Task
from labeling.services.dialogues import comparison_open, turn_writer
from labeling.services.jobs import in_use_lock
from labeling.services.projects import project_setup_ensure
from labeling.services.tasks import WANTED_MAX, task_open
from people.models import Cohort
from people.refusals import Refused

TEXT_MAX = 1_000_000  # characters
MODEL_MAX = 120
ANSWERS_MAX = 26
ASKED = (Task.Kind.RANKING, Task.Kind.COMPARISON, Task.Kind.EVALUATION)


@dataclass(frozen=True)
class Answer:
    """A text, and the model that wrote it; no model where a person did."""

    text: str
    model: str = ""


@transaction.atomic
def answers_add(
    *,
    prompt: Prompt,
    answers: Sequence[Answer],
    kind: str = Task.Kind.RANKING,
    cohort: str = Cohort.TRAINING,
    priority: int = 0,
    wanted: int | None = None,
) -> Task:
    """Add the answers and open one task about them; those that the prompt has, by text and model, are used again.

    Of a dialogue's turn they become a comparison that is offered to the labeler who wrote it, in that labeler's
    cohort. Raises Refused for fewer than two different texts, too many or too long ones, and for what is no such task.
    """
    in_use_lock(project_id=prompt.project_id)
    prompt.refresh_from_db(fields=["dropped_by"])
    if prompt.dropped_by_id is not None:
        raise Refused("The prompt was taken out of use, so nothing is asked about it.")
    if kind not in ASKED:
        raise Refused(f"Answers are asked about as one of {', '.join(ASKED)}, not as {kind[:80]!r}.")
    if cohort not in Cohort.values:
        raise Refused(f"A task is for one of {', '.join(Cohort.values)}, not for {cohort[:80]!r}.")
    if wanted is not None and not 1 <= wanted <= WANTED_MAX:
        raise Refused(f"A task wants 1 to {WANTED_MAX} labels.")
    asked = _different(answers)
    known = {row.external_id: row for row in Completion.objects.filter(prompt=prompt, external_id__in=asked)}
    new = [
        Completion(prompt=prompt, external_id=key, text=answer.text, model=answer.model)
        for key, answer in asked.items()
        if key not in known
    ]
    Completion.objects.bulk_create(new)
    known |= {row.external_id: row for row in new}
    if turn_writer(prompt) is not None:
        return comparison_open(prompt=prompt, completions=[known[key] for key in asked], priority=priority)
    [task] = task_open(
        setup=project_setup_ensure(project=prompt.project),
        kind=kind,
        prompts=[prompt],
        completions=[[known[key] for key in asked]],
        cohort=cohort,
        priority=priority,
        wanted=wanted,
    )
    return task


def _different(answers: Sequence[Answer]) -> dict[str, Answer]:
    """The answers under their external ids; of equal texts the first one."""
    if len(answers) > ANSWERS_MAX:
        raise Refused(f"There are {len(answers)} answers; a task asks about {ANSWERS_MAX} at most.")
    first: dict[str, Answer] = {}
    for answer in answers:
        if len(answer.text) > TEXT_MAX:
            raise Refused(f"An answer is {len(answer.text):,} characters long; keep it to {TEXT_MAX:,}.")
        if len(answer.model) > MODEL_MAX:
            raise Refused(f"A model's name is {len(answer.model)} characters long; keep it to {MODEL_MAX}.")
        clean = Answer(storable_text(answer.text), storable_text(answer.model))
        first.setdefault(clean.text.strip(), clean)
    if len(first) < 2:
        raise Refused("There is nothing to compare: give at least two different answers.")
    return {
        "given:" + sha256(f"{answer.model}\0{answer.text}".encode()).hexdigest()[:40]: answer
        for answer in first.values()
    }
