"""Lease, release and close: how a task stays with one labeler until the label is in.

Slots. `Task.taken` rises when a slot is leased and falls when a lease ends without a label; a submitted label keeps
its slot. It changes only under a lock of the task's row. Locks are taken in the order labeler, task, assignment.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from labeling.models import Assignment, Provenance, Task
from labeling.selectors.assignments import assignment_for, assignment_locked, completions_draw, may_label
from labeling.selectors.tasks import Terms, terms_of
from labeling.services.disputes import task_ask_again
from people.models import User
from people.refusals import Conflict, Forbidden, Missing, Refused

State = Assignment.State
EXPIRY_BATCH = 500
KEY_MAX = 64
_TASK_LOCK = """
    SELECT FROM labeling_task WHERE id = (SELECT task_id FROM labeling_assignment WHERE id = %s) FOR NO KEY UPDATE
"""


def assignment_heartbeat(*, assignment_id: UUID, labeler: User) -> Assignment:
    """Renew the lease; take an ended one up again where a slot is open. The state that is returned tells which.

    Leaves an ended lease ended when all slots are given: its owner may still submit, as an extra label.
    Raises Refused for someone else's assignment, Conflict for one that was skipped.
    """
    assignment = assignment_own(assignment_id, labeler)
    if assignment.state == State.SKIPPED:
        raise Conflict("You skipped this task; take it up again to go on.")
    if assignment.state == State.LEASED and lease_renew(assignment, Terms.read_with(assignment.task.project)):
        return assignment
    terms = terms_of(assignment.task.project)
    return assignment_take_up(assignment_id=assignment_id, labeler=labeler, terms=terms) or assignment


def assignment_resume(*, assignment_id: UUID, labeler: User) -> Assignment:
    """Take up a task again that was skipped or whose lease ended.

    Raises Conflict when others have given all its labels, Refused for someone else's assignment.
    """
    assignment = assignment_own(assignment_id, labeler)
    terms = terms_of(assignment.task.project)
    taken = assignment_take_up(assignment_id=assignment_id, labeler=labeler, terms=terms)
    if taken is None:
        raise Conflict("Others have taken this task meanwhile; your draft is kept.")
    return taken


@transaction.atomic
def assignment_release(*, assignment_id: UUID, labeler: User) -> Assignment:
    """Give the slot back at once, as when the page is left; the draft stays, and `next` offers the task again first.

    Releasing what is not in work changes nothing. Raises Refused for someone else's assignment.
    """
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if assignment.state == State.LEASED:
        slot_give_back(assignment)
        assignment.state = State.EXPIRED
        assignment.lease_expires_at = timezone.now()
        assignment.save(update_fields=["state", "lease_expires_at"])
    return assignment


@transaction.atomic
def leases_expire() -> int:
    """End the leases that have run out and free their slots; drafts stay. Returns how many ended."""
    now = timezone.now()
    overdue = Q(state=State.LEASED, lease_expires_at__lte=now)
    task_ids = sorted(set(Assignment.objects.filter(overdue).values_list("task_id", flat=True)[:EXPIRY_BATCH]))
    if not task_ids:
        return 0
    # A task that someone is at work on right now waits for the next sweep; so does a lease renewed meanwhile.
    tasks = Task.objects.select_for_update(skip_locked=True, no_key=True).filter(pk__in=task_ids).order_by("pk")
    ended = list(
        Assignment.objects.select_for_update().filter(overdue, task__in=[t.pk for t in tasks]).only("task_id")
    )
    Assignment.objects.filter(pk__in=[a.pk for a in ended]).update(state=State.EXPIRED)
    slots = Counter(a.task_id for a in ended)
    for count in set(slots.values()):
        freed = [task_id for task_id, n in slots.items() if n == count]
        Task.objects.filter(pk__in=freed).update(taken=F("taken") - count)
    return len(ended)


def assignment_lock(*, assignment_id: UUID, labeler: User) -> Assignment:
    """The labeler's own assignment with its task and project, both rows locked. Inside a transaction.

    Raises Missing when it is not theirs, Forbidden when they label in the project no more.
    """
    # One statement a lock, task first: a join would lock both rows in an order of its own.
    task_lock(assignment_id=assignment_id)
    return _checked(assignment_locked(labeler, assignment_id))


def task_lock(*, assignment_id: UUID) -> None:
    """Lock the row of an assignment's task; nothing where there is no such assignment."""
    with connection.cursor() as cursor:
        cursor.execute(_TASK_LOCK, [assignment_id])


def assignment_is_repeat(*, assignment: Assignment, kind: str, key: str) -> bool:
    """Whether this submit was answered before: same key, same answer. `assignment` is locked.

    Raises Refused for a missing key or a task of another kind, Conflict when the task was skipped or submitted
    under another key.
    """
    key_check(key)
    if assignment.task.kind != kind:
        raise Refused(f"This task asks for a {assignment.task.kind}, not for a {kind}.")
    if assignment.state == State.SUBMITTED:
        if assignment.idempotency_key == key:
            return True
        raise Conflict("You have submitted this task already; a label is not changed by submitting again.")
    if assignment.state == State.SKIPPED:
        raise Conflict("You skipped this task; take it up again to submit.")
    if assignment.state == State.OFFERED:
        raise Conflict("This task is offered to you; take it before you submit.")
    return False


def key_check(key: str) -> None:
    """Raise Refused for what is no idempotency key: nothing, more than 64 characters, or unprintable ones."""
    if not key:
        raise Refused("A submit needs an idempotency key, so that repeating it is harmless.")
    if len(key) > KEY_MAX:
        raise Refused(f"The idempotency key is {len(key)} characters long; keep it to {KEY_MAX}.")
    if not key.isprintable():
        raise Refused("The idempotency key has a character that cannot be printed.")


def assignment_close(*, assignment: Assignment, key: str) -> None:
    """Mark the locked assignment as submitted. A lease that had ended takes an open slot, else the label is extra.

    So is every label of a task that was withdrawn. Where people disagree on the task, it asks for one more label.
    """
    terms = Terms.read_with(assignment.task.project)
    if assignment.task.withdrawn_at is not None:
        assignment.is_extra = True
        if assignment.state == State.LEASED:
            slot_give_back(assignment)
    elif assignment.state == State.EXPIRED:
        assignment.is_extra = not _slot_take(assignment.task, terms)
    assignment.state = State.SUBMITTED
    assignment.idempotency_key = key
    assignment.submitted_at = timezone.now()
    assignment.save(update_fields=["state", "idempotency_key", "submitted_at", "is_extra", "focus_seconds", "signals"])
    task_ask_again(task=assignment.task, terms=terms)


def assignment_start(*, assignment: Assignment, terms: Terms) -> None:
    """Put the locked assignment, or a new one, into work: a lease, the versions in force, the answers in an order."""
    is_first = assignment._state.adding or assignment.state == State.OFFERED
    assignment.state = State.LEASED
    assignment.lease_expires_at = lease_end(terms)
    if is_first:  # taken up again, it stays under what the labeler saw
        assignment.shown_order = [str(completion.pk) for completion in completions_draw(assignment)]
        assignment.instructions_version = terms.instructions_version
        assignment.form_version = terms.form_version


def slot_give_back(assignment: Assignment) -> None:
    """Free the slot of a locked assignment that is in work or offered."""
    Task.objects.filter(pk=assignment.task_id).update(taken=F("taken") - 1)


def provenance_of(labeler: User) -> str:
    """Where this labeler's labels come from: a person, or a program that plays one."""
    return Provenance.SIMULATED if labeler.is_simulated else Provenance.HUMAN


def assignment_own(assignment_id: UUID, labeler: User) -> Assignment:
    """The labeler's own assignment with its task and project, unlocked.

    Raises Missing when it is not theirs, Forbidden when they label in the project no more.
    """
    return _checked(assignment_for(labeler, assignment_id))


def lease_end(terms: Terms) -> datetime:
    """When a lease that is given or renewed now runs out."""
    return timezone.now() + timedelta(minutes=terms.lease_minutes)


def _checked(assignment: Assignment | None) -> Assignment:
    if assignment is None:
        raise Missing("There is no such assignment.")
    if not may_label(assignment):
        raise Forbidden(f"You do not label in the project {assignment.task.project.name} any more.")
    return assignment


def lease_renew(assignment: Assignment, terms: Terms) -> bool:
    """Renew a running lease; False when it ended meanwhile."""
    assignment.lease_expires_at = lease_end(terms)
    running = Assignment.objects.filter(pk=assignment.pk, state=State.LEASED)
    return bool(running.update(lease_expires_at=assignment.lease_expires_at))


@transaction.atomic
def assignment_take_up(*, assignment_id: UUID, labeler: User, terms: Terms) -> Assignment | None:
    """Renew the lease, or take a slot again for one that ended or was skipped; None when no slot is open.

    An offered one has its slot already. A submitted one is returned as it is.
    """
    locked = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if locked.state == State.SUBMITTED:
        return locked
    if locked.state in (State.EXPIRED, State.SKIPPED) and not _slot_take(locked.task, terms):
        return None
    assignment_start(assignment=locked, terms=terms)
    locked.save(update_fields=["state", "lease_expires_at", "shown_order", "instructions_version", "form_version"])
    return locked


def _slot_take(task: Task, terms: Terms) -> bool:
    """Take one slot of the task, whose row is locked; False when none is open."""
    return bool(Task.objects.filter(terms.open_tasks(), pk=task.pk).update(taken=F("taken") + 1))
