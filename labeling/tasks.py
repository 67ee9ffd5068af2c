"""Celery's side of labeling: ids in, services called. Every job claims its row, so a second message is harmless."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError

from exchange.store import Store
from labeling.models import CurationStep, Import, Snapshot
from labeling.services.assignments import leases_expire
from labeling.services.completions import completion_batches_poll
from labeling.services.curation import curation_execute
from labeling.services.drafts import drafts_forget
from labeling.services.imports import import_execute
from labeling.services.jobs import jobs_requeue
from labeling.services.snapshots import snapshot_execute
from labeling.services.uploads import uploads_sweep
from people.services.tokens import tokens_delete_expired

logger = logging.getLogger(__name__)
_A_DAY = 24 * 60 * 60  # seconds


@shared_task(base=DjangoTask)
def import_run(import_id: int) -> None:
    """Run a queued import."""
    import_execute(import_id=import_id)


@shared_task(base=DjangoTask)
def curation_run(step_id: int) -> None:
    """Run a queued curation step, or undo it."""
    curation_execute(step_id=step_id)


@shared_task(base=DjangoTask)
def snapshot_run(snapshot_id: int) -> None:
    """Run a queued snapshot."""
    snapshot_execute(snapshot_id=snapshot_id, store=artifact_store())


@shared_task
def sweep() -> None:
    """Deliver again what a lost message or worker left, end overdue leases, delete what is no longer needed, fetch
    what training published.
    """
    for pk in jobs_requeue(Import):
        import_run.delay(pk)
    for pk in jobs_requeue(CurationStep):
        curation_run.delay(pk)
    for pk in jobs_requeue(Snapshot):
        snapshot_run.delay(pk)
    leases_expire()
    uploads_sweep()
    if cache.add("expired-tokens-deleted", True, timeout=_A_DAY):  # true for one sweep a day
        tokens_delete_expired()
        drafts_forget()
    completion_batches_poll(store=artifact_store())


def artifact_store() -> Store:
    """The store that the settings name."""
    return Store(settings.ARTIFACTS_URL, cache=settings.ARTIFACTS_CACHE)


def import_call(import_id: int) -> None:
    """Ask a worker, after the present transaction, to run a queued import."""
    _call(import_run, import_id)


def curation_call(step_id: int) -> None:
    """Ask a worker, after the present transaction, to run or undo a queued curation step."""
    _call(curation_run, step_id)


def snapshot_call(snapshot_id: int) -> None:
    """Ask a worker, after the present transaction, to run a queued snapshot."""
    _call(snapshot_run, snapshot_id)


def _call(task: Any, pk: int) -> None:
    def deliver() -> None:
        try:
            task.delay(pk)
        except BrokerError:  # costs seconds, not the page: the sweep calls again for rows that nobody took
            logger.warning("The broker is away; %s %s waits for the next sweep.", task.name, pk)

    transaction.on_commit(deliver)
