"""Keep unfinished work: what a labeler has done on a task before it is submitted, with its history.

Every saved draft has a number, one higher than the last. Whoever says which number they last saw is told when another
tab or device has saved since, instead of overwriting it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, When
from django.utils import timezone

from labeling.drafts import DraftError, size_of, storable
from labeling.models import Assignment, DraftRevision
from labeling.selectors.tasks import Terms
from labeling.services.assignments import assignment_own, lease_end
from labeling.services.effort import effort_note
from people.models import User
from people.refusals import Conflict, Refused

State = Assignment.State
REVISIONS_KEPT = 50
# Saves follow each other by the second while somebody types; undoing needs a step every so often.
REVISION_STEP = timedelta(seconds=15)
HISTORY_KEPT = timedelta(days=28)  # after the label was submitted
FORGOTTEN_AT_ONCE = 10_000


class DraftMoved(Conflict):
    """Another tab or device has saved since. `assignment` holds the newer draft and its number."""

    def __init__(self, assignment: Assignment) -> None:
        super().__init__("Your work on this task was changed in another tab or on another device meanwhile.")
        self.assignment = assignment


@transaction.atomic
def assignment_save_draft(*, assignment_id: UUID, labeler: User, draft: Any, seen: int | None = None) -> Assignment:
    """Keep unfinished work: any JSON object up to 1 MB, also when the lease has ended. Saving renews a lease.

    Its keys `focus_seconds` and `signals` are what the workplace measured; they are noted and no part of the draft.
    Nor is `step`: where it is true, what was there a moment ago stays in the history, too.
    `seen` is the number of the draft that this one was made from; without it the newer one always wins. A draft that
    is kept already keeps its number, so that saving it again, its answer lost, is harmless. What was there before
    stays as a revision. Raises DraftMoved when the draft has another number, Refused when it cannot be kept, Conflict
    once the label is submitted.
    """
    try:
        clean = storable(draft)
    except DraftError as error:
        raise Refused(str(error)) from error
    seconds, signals = clean.pop("focus_seconds", 0), clean.pop("signals", {})
    is_step = bool(clean.pop("step", False))
    assignment = assignment_own(assignment_id, labeler)
    locked = Assignment.objects.select_for_update(no_key=True, of=("self",)).filter(pk=assignment.pk)
    state, number, kept = locked.values_list("state", "draft_number", "draft").get()
    if state == State.SUBMITTED:
        raise Conflict("This task is submitted already; the draft was not kept.")
    assignment.state, assignment.draft_number, assignment.draft = state, number, kept
    is_new = clean != kept
    if is_new and seen is not None and seen != number:
        raise DraftMoved(assignment)
    effort_note(
        assignment=assignment,
        focus_seconds=seconds if isinstance(seconds, int) else 0,
        signals=signals if isinstance(signals, dict) else {},
    )
    now, lease = timezone.now(), lease_end(Terms.read_with(assignment.task.project))
    Assignment.objects.filter(pk=assignment.pk).update(
        draft=clean,
        draft_number=F("draft_number") + int(is_new),
        draft_saved_at=now,
        focus_seconds=assignment.focus_seconds,
        signals=assignment.signals,
        lease_expires_at=Case(When(state=State.LEASED, then=lease), default=F("lease_expires_at")),
    )
    assignment.draft, assignment.draft_saved_at, assignment.draft_number = clean, now, number + int(is_new)
    if assignment.state == State.LEASED:
        assignment.lease_expires_at = lease
    if is_new:
        is_step = is_step or seen is None or size_of(clean) * 2 <= size_of(kept)
        _keep_revision(assignment, replaces=not is_step)
    return assignment


def drafts_forget() -> int:
    """Delete the history of drafts whose task was submitted weeks ago; the label stays. Returns how many rows."""
    long_ago = timezone.now() - HISTORY_KEPT
    old = DraftRevision.objects.filter(assignment__state=State.SUBMITTED, assignment__submitted_at__lt=long_ago)
    deleted, _ = DraftRevision.objects.filter(pk__in=old.values("pk")[:FORGOTTEN_AT_ONCE]).delete()
    return deleted


def _keep_revision(assignment: Assignment, *, replaces: bool) -> None:
    """Add the draft to its history. Where it `replaces` one that began a moment ago, both are one step."""
    revisions = DraftRevision.objects.filter(assignment=assignment)
    last = revisions.filter(number=assignment.draft_number - 1, saved_at__gt=timezone.now() - REVISION_STEP)
    if replaces and last.update(number=assignment.draft_number, draft=assignment.draft):
        return
    DraftRevision.objects.create(assignment=assignment, number=assignment.draft_number, draft=assignment.draft)
    if assignment.draft_number <= REVISIONS_KEPT:
        return
    oldest = revisions.order_by("-number").values("number")[REVISIONS_KEPT - 1 : REVISIONS_KEPT]
    revisions.filter(number__lt=oldest).delete()
