"""Celery's side of labeling: ids in, services called. Every job claims its row, so a second message is harmless."""

from __future__ import annotations

import logging

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from django.conf import settings

from exchange.store import Store
from labeling.models import Import, Snapshot
from labeling.services.assignments import leases_expire
from labeling.services.completions import completion_batches_poll
from labeling.services.imports import import_execute
from labeling.services.jobs import jobs_requeue
from labeling.services.snapshots import snapshot_execute

logger = logging.getLogger(__name__)


@shared_task(base=DjangoTask)
def import_run(import_id: int) -> None:
    """Run a queued import."""
    import_execute(import_id=import_id)


@shared_task(base=DjangoTask)
def snapshot_run(snapshot_id: int) -> None:
    """Run a queued snapshot."""
    snapshot_execute(snapshot_id=snapshot_id, store=artifact_store())


@shared_task
def sweep() -> None:
    """Deliver again what a lost message or worker left, end overdue leases, fetch what training published."""
    for pk in jobs_requeue(Import):
        import_run.delay(pk)
    for pk in jobs_requeue(Snapshot):
        snapshot_run.delay(pk)
    leases_expire()
    completion_batches_poll(store=artifact_store())


def artifact_store() -> Store:
    """The store that the settings name."""
    return Store(settings.ARTIFACTS_URL, cache=settings.ARTIFACTS_CACHE)
