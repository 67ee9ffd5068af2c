"""Rows that are their own queue: imports, curation steps and snapshots.

A worker claims a row by a conditional UPDATE and then, for as long as it works, holds the row's lock in the
transaction of the work. So a row that says RUNNING while nobody holds its lock was left by a worker that is gone.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from labeling.models import CurationStep, Import, Snapshot
from people.models import Project

Job = type[Import] | type[CurationStep] | type[Snapshot]

ATTEMPTS = 3
# Between the claim and the lock lies one query; this is far beyond it.
ABANDONED_AFTER = timedelta(seconds=60)
# A message that is not delivered in this time may be lost; a second one is harmless.
QUEUED_TOO_LONG = timedelta(seconds=15)
# The class of our advisory locks; the second number is the project's.
_PROMPTS_LOCK = 0x506C6D62
_IN_USE_LOCK = 0x506C6D63
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


def in_use_lock(*, project_id: int, changing: bool = False) -> None:
    """Keep which prompts are in use, and what they ask of a labeler, as it is until the transaction ends.

    Those who open tasks share this lock and read the prompts after it; a curation step that is `changing` them holds
    it alone, from just before it writes. So it finds every task that was opened before, and nobody opens one from what
    was read before.
    """
    function = "pg_advisory_xact_lock" if changing else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_IN_USE_LOCK, project_id])


def prompts_lock(*, project: Project, wait: bool) -> bool:
    """Let one transaction at a time bring prompts into the project or curate them; return whether it is this one.

    It is no row's lock, since the transaction may take minutes and must stop nobody who changes a setting.
    """
    function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_PROMPTS_LOCK, project.pk])
        return wait or bool(cursor.fetchone()[0])
