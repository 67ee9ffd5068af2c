"""Rows that are their own queue: imports and snapshots.

A worker claims a row by a conditional UPDATE and then, for as long as it works, holds the row's lock in the
transaction of the work. So a row that says RUNNING while nobody holds its lock was left by a worker that is gone.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.models import Import, Snapshot

Job = type[Import] | type[Snapshot]

ATTEMPTS = 3
# Between the claim and the lock lies one query; this is far beyond it.
ABANDONED_AFTER = timedelta(seconds=60)
# A message that is not delivered in this time may be lost; a second one is harmless.
QUEUED_TOO_LONG = timedelta(seconds=15)
LOST = "The worker that did this was lost {attempts} times; ask an operator to look at its log, then try again."


def job_claim(job: Job, *, pk: int) -> bool:
    """Move a queued row to RUNNING; return whether it was this call that did."""
    claimed = job._default_manager.filter(pk=pk, state=job.State.QUEUED).update(
        state=job.State.RUNNING, started_at=timezone.now(), attempts=F("attempts") + 1
    )
    return bool(claimed)


@transaction.atomic
def jobs_requeue(job: Job) -> list[int]:
    """Queue again what a lost worker left, at most `ATTEMPTS` times; return the ids that need a message."""
    now = timezone.now()
    rows = job._default_manager
    abandoned = list(
        rows.select_for_update(skip_locked=True)
        .filter(state=job.State.RUNNING, started_at__lt=now - ABANDONED_AFTER)
        .values_list("pk", flat=True)
    )
    left = rows.filter(pk__in=abandoned)
    left.filter(attempts__gte=ATTEMPTS).update(
        state=job.State.FAILED, error=LOST.format(attempts=ATTEMPTS), finished_at=now
    )
    left.filter(attempts__lt=ATTEMPTS).update(state=job.State.QUEUED)
    waiting = rows.filter(state=job.State.QUEUED, created_at__lt=now - QUEUED_TOO_LONG)
    return list(waiting.values_list("pk", flat=True))
