"""Dialogues: two or more replies at each turn, the chosen one continues (HH).

A turn is a prompt of its own whose parent is the turn before. It waits for completions; once there are some, they
become a comparison that is offered to the labeler who wrote the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from exchange.text import written
from labeling.models import Assignment, Completion, CompletionBatch, Prompt, Ranking, Task
from labeling.selectors.tasks import memberships_of, standing_of
from labeling.services.assignments import assignment_lock
from labeling.services.offers import task_offer
from labeling.services.projects import project_setup_ensure
from labeling.services.tasks import task_open
from people.models import Cohort, User
from people.refusals import Conflict, Refused

TURN_MAX = 20_000  # characters
MESSAGES_MAX = 100
# A turn's external id is this and the id of the assignment after which its labeler wrote it.
TURN = "dialogue:"


@transaction.atomic
def dialogue_continue(*, assignment_id: UUID, labeler: User, text: str, completion_id: str | None = None) -> Prompt:
    """Add the labeler's next message after the answer that they ranked first; returns the new turn.

    `completion_id` says which answer goes on where several share the first rank. The same text again returns the
    turn that is there. Raises Refused for an empty or overlong message, for other kinds of task and where the answer
    to go on with is not clear, Conflict before the comparison is submitted and when the dialogue went on otherwise.
    """
    text = written(text)
    if not text:
        raise Refused("The message is empty; write one to go on with the dialogue.")
    if len(text) > TURN_MAX:
        raise Refused(f"The message is {len(text):,} characters long; keep it to {TURN_MAX:,}.")
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if assignment.task.kind != Task.Kind.COMPARISON:
        raise Refused("Only a comparison in a dialogue can be continued.")
    ranking = Ranking.objects.filter(assignment=assignment, superseded_at=None).first()
    if assignment.state != Assignment.State.SUBMITTED or ranking is None:
        raise Conflict("Rank the replies and submit before you go on with the dialogue.")
    before = assignment.task.prompt
    messages = [
        *before.messages,
        {"role": "assistant", "content": _chosen(ranking, assignment.task, completion_id)},
        {"role": "user", "content": text},
    ]
    external_id = f"{TURN}{assignment.pk}"
    if there := Prompt.objects.filter(project=before.project_id, external_id=external_id).first():
        if there.messages != messages:
            raise Conflict("This dialogue went on already, with another message.")
        return there
    if len(messages) > MESSAGES_MAX:
        raise Refused(f"The dialogue has {len(before.messages)} messages; it ends before {MESSAGES_MAX}.")
    return Prompt.objects.create(
        project_id=before.project_id,
        external_id=external_id,
        messages=messages,
        author=before.author,
        organisation=before.organisation,
        source=before.source,
        kind=before.kind,
        category=before.category,
        language=before.language,
        split=before.split,
        parent=before,
    )


def turn_writer(prompt: Prompt) -> User | None:
    """The labeler who wrote this turn of a dialogue; None for every other prompt."""
    if prompt.parent_id is None or not prompt.external_id.startswith(TURN):
        return None
    try:
        written_after = UUID(prompt.external_id.removeprefix(TURN))
    except ValueError:
        return None
    return User.objects.filter(assignments=written_after).first()


def comparison_open(
    *,
    prompt: Prompt,
    completions: Sequence[Completion],
    priority: int = 0,
    batch: CompletionBatch | None = None,
) -> Task:
    """Open the comparison of the replies to a turn, and offer it to who wrote the turn, in that labeler's cohort.

    Where they label in the project no more, anybody of the training cohort may get it.
    """
    writer = turn_writer(prompt)
    standing = standing_of(writer, memberships_of(writer, prompt.project)) if writer is not None else None
    [task] = task_open(
        setup=project_setup_ensure(project=prompt.project),
        kind=Task.Kind.COMPARISON,
        prompts=[prompt],
        completions=[completions],
        cohort=standing.cohort if standing else Cohort.TRAINING,
        priority=priority,
        wanted=1,
        batch=batch,
    )
    # A turn that curation took out of use is opened withdrawn, and offered to nobody.
    if writer is not None and standing is not None and task.withdrawn_at is None:
        task_offer(task=task, labelers=[writer])
        task.refresh_from_db(fields=["taken"])
    return task


def _chosen(ranking: Ranking, task: Task, completion_id: str | None) -> str:
    first = [str(one) for one in ranking.groups[0]]
    if completion_id is None and len(first) > 1:
        raise Refused(f"{len(first)} replies share the first rank; say which one the dialogue goes on with.")
    chosen = completion_id or first[0]
    if chosen not in first:
        raise Refused("The dialogue goes on with a reply of the first rank.")
    return str(task.completions.values_list("text", flat=True).get(pk=chosen))
