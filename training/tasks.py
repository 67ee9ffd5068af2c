"""Training's Celery tasks. They carry ids only: the row is the queue, so a lost or doubled message is harmless."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from celery import shared_task
from celery.contrib.django.task import DjangoTask
from celery.worker import state as worker_state
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError

from training.services import execution, sweeps
from training.services.snapshots import snapshots_poll

logger = logging.getLogger(__name__)


@shared_task(base=DjangoTask)
def run_execute(run_id: int) -> None:
    """Take a queued run and run it to its end, on the `train` queue."""
    with _told_to_leave() as leaving:
        execution.run_execute(run_id=run_id, leaving=leaving)


def run_call(run_id: int) -> None:
    """Ask the `train` workers, after the present transaction, to take a queued run.

    A broker that is away costs a minute, not the run: the sweep calls again for rows that nobody took.
    """

    def deliver() -> None:
        try:
            run_execute.delay(run_id)
        except BrokerError:
            logger.warning("The broker is away; run %s waits for the next sweep.", run_id)

    transaction.on_commit(deliver)


@shared_task
def sweep() -> None:
    """Clean up after what is gone, call queued runs again, find new snapshots."""
    for run_id in sweeps.sweep():
        run_execute.delay(run_id)
    snapshots_poll()


@contextmanager
def _told_to_leave() -> Iterator[threading.Event]:
    """An event that is set when this process gets SIGTERM, so that the run is ended and its end recorded first.

    The handler that was there is put back, not called: a pool's child would exit at once, with the run unrecorded.
    What it would have told the worker, to stop after this task, is told when the run has ended.
    """
    leaving = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield leaving
        return

    def leave(number: int, frame: FrameType | None) -> None:
        leaving.set()

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield leaving
    finally:
        signal.signal(signal.SIGTERM, previous)
        if leaving.is_set():
            worker_state.should_stop = 0  # type: ignore[assignment]
