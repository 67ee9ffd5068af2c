"""Training's Celery tasks. They carry ids only: the row is the queue, so a lost or doubled message is harmless."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from celery import shared_task

from training.services import execution, sweeps
from training.services.snapshots import snapshots_poll


@shared_task(name="training.tasks.run_execute")
def run_execute(run_id: int) -> None:
    """Take a queued run and run it to its end, on the `train` queue."""
    with _told_to_leave() as leaving:
        execution.run_execute(run_id=run_id, leaving=leaving)


@shared_task(name="training.tasks.sweep")
def sweep() -> None:
    """Clean up after what is gone, call queued runs again, find new snapshots."""
    for run_id in sweeps.sweep():
        run_execute.delay(run_id)
    snapshots_poll()


@contextmanager
def _told_to_leave() -> Iterator[threading.Event]:
    """An event that is set when this process gets SIGTERM, so that the run is ended and its end recorded first."""
    leaving = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield leaving
        return

    def leave(number: int, frame: FrameType | None) -> None:
        leaving.set()
        if callable(previous):
            previous(number, frame)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield leaving
    finally:
        signal.signal(signal.SIGTERM, previous)
