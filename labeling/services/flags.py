"""Flags: a labeler tells the managers that something is wrong with a task, and they settle it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from exchange.text import written
from labeling.models import Flag
from labeling.services.assignments import assignment_own
from people.models import User
from people.refusals import Conflict, Refused

NOTE_MAX = 2_000  # characters
OPEN_MAX = 10


def flag_raise(*, assignment_id: UUID, labeler: User, note: str) -> Flag:
    """Add a flag to the labeler's own task, whatever its state. The same note again returns the flag that is open.

    Raises Refused for an empty or overlong note, for someone else's task, and for more than ten open flags of one
    labeler on one task.
    """
    note = _words(note, "Say in a few words what is wrong with the task.")
    assignment = assignment_own(assignment_id, labeler)
    mine = list(Flag.objects.filter(task=assignment.task_id, raised_by=labeler, settled_at=None)[:OPEN_MAX])
    if same := next((flag for flag in mine if flag.note == note), None):
        return same
    if len(mine) >= OPEN_MAX:
        raise Refused(f"You have {OPEN_MAX} open flags on this task already; wait until they are settled.")
    return Flag.objects.create(task_id=assignment.task_id, raised_by=labeler, note=note)


@transaction.atomic
def flag_settle(*, flag_id: int, settled_by: User, answer: str = "") -> Flag:
    """Close an open flag, with an answer to the labeler where there is one. Raises Conflict when it is closed."""
    if len(answer) > NOTE_MAX:
        raise Refused(f"The answer is {len(answer):,} characters long; keep it to {NOTE_MAX:,}.")
    flag = Flag.objects.select_for_update().get(pk=flag_id)
    if flag.settled_at is not None:
        raise Conflict("The flag is settled already.")
    flag.settled_at, flag.settled_by, flag.answer = timezone.now(), settled_by, written(answer)
    flag.save(update_fields=["settled_at", "settled_by", "answer"])
    return flag


def _words(text: str, missing: str) -> str:
    text = written(text)
    if not text:
        raise Refused(missing)
    if len(text) > NOTE_MAX:
        raise Refused(f"The note is {len(text):,} characters long; keep it to {NOTE_MAX:,}.")
    return text
