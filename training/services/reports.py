"""What a run reports, line by line, written into the database: progress, curves, answers, notes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from training.models import Metric, Run
from training.run_directory import Line

_LARGEST = 2**31 - 1  # of PostgreSQL's integer


def report_forget(*, run_id: int, attempt: int) -> None:
    """Take back all that earlier attempts reported: the run begins at its beginning."""
    with transaction.atomic():
        if Run.objects.filter(pk=run_id, attempt=attempt).update(notes=[], saved_step=None):
            Metric.objects.filter(run_id=run_id).delete()


class RunReport:
    """Takes the lines of one run's `metrics.jsonl` in order and keeps what was not written yet.

    `save` is one transaction; when it fails nothing is lost, and the next `save` writes it. A run that goes on from a
    saved state has its file cut there: the file is then read anew from its first line, and the line that says
    "resumed" takes back whatever was reported behind it. Nothing is written once another attempt owns the run.
    """

    def __init__(self, run_id: int, attempt: int) -> None:
        self._run_id, self._attempt = run_id, attempt
        self._known = Metric.objects.filter(run_id=run_id).aggregate(line=Max("line"))["line"] or 0
        self._pending: list[Line] = []
        self._notes: list[str] = []
        self._phase = ""
        self._done = 0
        self._phase_started_at: datetime | None = None
        self._log_tail = ""

    def take(self, lines: list[Line]) -> None:
        """Keep these lines until they are saved."""
        if lines and lines[0].number == 1:
            self._pending, self._notes = [], []
        self._pending += lines

    def save(self, log_tail: str) -> None:
        """Write what came since the last save. Called often, it writes nothing where nothing is new."""
        fields = self._progress_fields()
        if log_tail != self._log_tail:
            fields["log_tail"] = log_tail
        notes = [str(line.values["text"]) for line in self._pending if _is(line, "note") and line.values.get("text")]
        if notes:
            fields["notes"] = self._notes + notes
        if saved := [line for line in self._pending if _is(line, "saved")]:
            fields |= {"saved_step": _count(saved[-1].values.get("step")), "restarts": 0}
        cuts = [line.number for line in self._pending if _is(line, "resumed")]
        known = min([self._known, *(cut - 1 for cut in cuts)])
        fresh = [line for line in self._pending if line.number > known]
        metrics = [metric for line in fresh if (metric := self._metric(line))]
        if fields or metrics or cuts:
            with transaction.atomic():
                owned = Run.objects.select_for_update().filter(pk=self._run_id, attempt=self._attempt)
                if owned.exists():
                    if cuts:
                        Metric.objects.filter(run_id=self._run_id, line__gt=known).delete()
                    Metric.objects.bulk_create(metrics, ignore_conflicts=True)
                    owned.update(**fields)
        self._notes += notes
        self._log_tail = log_tail
        self._known = max([known, *(line.number for line in fresh)])
        self._pending = []

    def _progress_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for line in self._pending:
            if not _is(line, "progress"):
                continue
            phase, done, time = str(line.values.get("phase", ""))[:30], _count(line.values.get("done")), _time(line)
            # The same phase again from a smaller number is a new one: its rate starts anew.
            if phase != self._phase or (done or 0) < self._done or self._phase_started_at is None:
                self._phase, self._phase_started_at = phase, time
            self._done = done or 0
            fields = {
                "phase": phase,
                "done": self._done,
                "total": _count(line.values.get("total")),
                "phase_started_at": self._phase_started_at,
                "progress_at": time,
            }
        return fields

    def _metric(self, line: Line) -> Metric | None:
        values, machine = line.values.get("values"), line.values.get("machine")
        if line.values.get("type") not in Metric.Type.values or not isinstance(values, dict):
            return None
        return Metric(
            run_id=self._run_id,
            line=line.number,
            type=line.values["type"],
            step=_count(line.values.get("step")) or 0,
            values={**values, **machine} if isinstance(machine, dict) else values,
            time=_time(line),
        )


def _is(line: Line, kind: str) -> bool:
    return line.values.get("type") == kind


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(max(int(value), 0), _LARGEST)


def _time(line: Line) -> datetime:
    try:
        return datetime.fromtimestamp(line.values["t"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return timezone.now()
