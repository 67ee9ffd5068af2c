"""Writing demonstrations: a labeler's own answer to a prompt."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from labeling.models import Demonstration, Task
from labeling.services.assignments import assignment_close, assignment_is_repeat, assignment_lock, provenance_of
from people.models import User
from people.refusals import Refused

TEXT_MAX = 100_000


@transaction.atomic
def demonstration_submit(*, assignment_id: UUID, labeler: User, key: str, text: str) -> tuple[Demonstration, bool]:
    """Add the demonstration and close its slot; returns it and whether it is new.

    The same key again returns the first answer, unchanged. White space around the text is dropped. Raises Refused
    for an empty or overlong text and for someone else's task, Conflict when the task is submitted under another key.
    """
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if assignment_is_repeat(assignment=assignment, kind=Task.Kind.DEMONSTRATION, key=key):
        return Demonstration.objects.get(assignment=assignment, superseded_at=None), False
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Refused("The answer is empty; write one before submitting.")
    if len(text) > TEXT_MAX:
        raise Refused(f"The answer is {len(text):,} characters long; keep it to {TEXT_MAX:,}.")
    demonstration = Demonstration.objects.create(
        prompt=assignment.task.prompt,
        text=text,
        labeler=labeler,
        provenance=provenance_of(labeler),
        instructions_version=assignment.instructions_version,
        assignment=assignment,
    )
    assignment_close(assignment=assignment, key=key)
    return demonstration, True
