"""Keep unfinished work: what a labeler has done on a task before it is submitted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Case, F, When
from django.utils import timezone

from labeling.drafts import DraftError, storable
from labeling.models import Assignment
from labeling.selectors.tasks import terms_of
from labeling.services.assignments import assignment_own, lease_end
from people.models import User
from people.refusals import Conflict, Refused

State = Assignment.State


def assignment_save_draft(*, assignment_id: UUID, labeler: User, draft: Any) -> Assignment:
    """Keep unfinished work: any JSON object up to 1 MB, also when the lease has ended. Saving renews a lease.

    Raises Refused when the draft cannot be kept, Conflict once the label is submitted.
    """
    try:
        clean = storable(draft)
    except DraftError as error:
        raise Refused(str(error)) from error
    assignment = assignment_own(assignment_id, labeler)
    now, lease = timezone.now(), lease_end(terms_of(assignment.task.project))
    saved = (
        Assignment.objects.filter(pk=assignment.pk)
        .exclude(state=State.SUBMITTED)
        .update(
            draft=clean,
            draft_saved_at=now,
            lease_expires_at=Case(When(state=State.LEASED, then=lease), default=F("lease_expires_at")),
        )
    )
    if not saved:
        raise Conflict("This task is submitted already; the draft was not kept.")
    assignment.draft, assignment.draft_saved_at = clean, now
    if assignment.state == State.LEASED:
        assignment.lease_expires_at = lease
    return assignment
