"""The sign of life of the worker that has a run, and the way it hears that the run shall stop."""

from __future__ import annotations

import threading
from types import TracebackType

from django.db import InterfaceError, OperationalError, connection

from training.models import Run
from training.services.runs import run_beat

BEAT = 1.0  # seconds


class Heartbeat:
    """Beats once a second from a thread of its own, so that fetching and publishing large files does not look dead.

    `must_stop` turns true when the row says so: somebody cancelled the run, or it was given up and is no longer ours.
    """

    def __init__(self, run_id: int, attempt: int) -> None:
        self._run_id, self._attempt = run_id, attempt
        self._ended = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{run_id}", daemon=True)

    @property
    def must_stop(self) -> bool:
        """Whether the run shall not go on."""
        return self._stop.is_set()

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(BEAT):
                try:
                    state = run_beat(run_id=self._run_id, attempt=self._attempt)
                except (OperationalError, InterfaceError):
                    connection.close()  # the database is away: the next beat tries anew
                    continue
                if state != Run.State.RUNNING:
                    self._stop.set()
        finally:
            connection.close()
