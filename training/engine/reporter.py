"""metrics.jsonl, the run's only voice: one JSON object a line, flushed, so that a reader can follow it live."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

_PROGRESS_SECONDS = 0.5


class Reporter:
    """Writes progress, metrics, evaluations, samples and notes; silent without a path (every rank but the first).

    Progress is also shown by tqdm where stderr is a terminal; metrics and notes are printed, which is the run's log.
    A number that is not finite is written as null: JSON has no NaN.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stream = path.open("a", encoding="utf-8") if path else None
        self._last_progress: tuple[str, float] = ("", 0.0)
        self._bar: tqdm[Any] | None = None

    def progress(self, phase: str, done: int, total: int | None = None) -> None:
        """`done` of `total` units of a phase. At most two lines a second, but always a phase's first and last."""
        known, since = self._last_progress
        if phase == known and done != total and time.monotonic() - since < _PROGRESS_SECONDS:
            return
        self._last_progress = (phase, time.monotonic())
        self._write("progress", phase=phase, done=done, total=total)
        self._show(phase, done, total)

    def metrics(self, step: int, **values: float) -> None:
        """Figures of one optimizer step or iteration."""
        self._write("metrics", step=step, values=values)
        self._print(f"step {step}: " + _listed(values))

    def eval(self, step: int, **values: float) -> None:
        """Figures on held-out data after `step` steps."""
        self._write("eval", step=step, values=values)
        self._print(f"evaluation at step {step}: " + _listed(values))

    def sample(self, step: int, **values: Any) -> None:
        """One prompt and answer, with its figures, for the run's page."""
        self._write("sample", step=step, values=values)

    def note(self, text: str) -> None:
        """One sentence that the person who reads the run should know."""
        self._write("note", text=text)
        self._print(text)

    def size(self) -> int:
        """How many bytes have been written."""
        return self._stream.tell() if self._stream else 0

    def saved(self, step: int) -> None:
        """The run's state after `step` steps is on the disk, whole: it can go on from there."""
        self._write("saved", step=step)

    def resumed(self, step: int, size: int) -> None:
        """The run goes on from the state after `step` steps, when `size` bytes had been written.

        What was written after those is written again, so it is forgotten: a file without it takes this one's place. A
        reader that follows the file sees by that where it has to begin anew.
        """
        if self._path is not None and self._stream is not None:
            shorter = self._path.with_suffix(".tmp")
            shorter.write_bytes(self._path.read_bytes()[:size])
            shorter.replace(self._path)
            self._stream.close()
            self._stream = self._path.open("a", encoding="utf-8")
        self._write("resumed", step=step)

    def _write(self, type: str, **fields: Any) -> None:
        if self._stream is None:
            return
        line = {"t": round(time.time(), 3), "type": type, **fields}
        self._stream.write(json.dumps(_finite(line), ensure_ascii=False, allow_nan=False) + "\n")
        self._stream.flush()

    def _print(self, text: str) -> None:
        if self._stream is None:
            return
        if self._bar is not None:
            self._bar.clear()
        print(text, flush=True)

    def _show(self, phase: str, done: int, total: int | None) -> None:
        if self._stream is None or not sys.stderr.isatty():
            return
        if self._bar is None or self._bar.desc.rstrip(": ") != phase:
            if self._bar is not None:
                self._bar.close()
            self._bar = tqdm(desc=phase, total=total, leave=True)
        self._bar.n = done
        self._bar.refresh()


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.5g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in values.items())  # fmt: skip


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
