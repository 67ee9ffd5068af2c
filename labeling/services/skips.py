"""Skip: hand a task back at once, and say why (IG §3.4)."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from exchange.text import written
from labeling.models import Assignment, SkipKind
from labeling.services.assignments import assignment_lock, slot_give_back
from people.models import User
from people.refusals import Conflict, Refused

State = Assignment.State
SKIP_REASON_MAX = 300


@transaction.atomic
def assignment_skip(*, assignment_id: UUID, labeler: User, kind: str = "", reason: str = "") -> Assignment:
    """Hand the task back; the draft stays. Skipping twice changes nothing.

    `kind` says why, and `reason` in words: what is broken has to be said; without a kind words are needed too. Raises
    Refused for a kind that there is not, and where words are needed or too many, Conflict once the label is submitted.
    """
    reason = written(reason)
    if kind and kind not in SkipKind.values:
        raise Refused(f"A task is skipped as one of {', '.join(SkipKind.values)}, not as {kind[:80]!r}.")
    if kind == SkipKind.BROKEN and not reason:
        raise Refused("Say in a few words what is broken, so that it can be mended.")
    if not kind and not reason:
        raise Refused("Say in a few words why you skip the task.")
    if len(reason) > SKIP_REASON_MAX:
        raise Refused(f"The reason is {len(reason)} characters long; keep it to {SKIP_REASON_MAX}.")
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if assignment.state == State.SUBMITTED:
        raise Conflict("This task is submitted already and cannot be skipped.")
    if assignment.state == State.SKIPPED:
        return assignment
    if assignment.state in (State.LEASED, State.OFFERED):
        slot_give_back(assignment)
    assignment.state = State.SKIPPED
    assignment.skip_kind, assignment.skip_reason = kind, reason
    assignment.save(update_fields=["state", "skip_kind", "skip_reason"])
    return assignment
