"""metrics.jsonl, the run's only voice: one JSON object a line, flushed, so that a reader can follow it live."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

_PROGRESS_SECONDS = 0.5


class Trackers(Protocol):
    """Where figures go besides metrics.jsonl."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """The finite figures of a step."""

    def finish(self) -> None:
        """No more will come."""


class Reporter:
    """Writes progress, metrics, evaluations, samples and notes; silent without a path (every rank but the first).

    Progress is also shown by tqdm where stderr is a terminal; metrics and notes are printed, which is the run's log.
    A number that is not finite is written as null: JSON has no NaN.
    Beside the figures of a step stands what the machine did for it, which differs each time: the seconds of its laps
    and what `machine` tells, such as the memory held at most. All of them also go to `trackers`, where there are any.
    """

    def __init__(self, path: Path | None, machine: Callable[[], dict[str, float]] = dict) -> None:
        self.trackers: Trackers | None = None
        self._machine = machine
        self._laps: dict[str, float] = {}
        self._lap_began = time.monotonic()
        self._path = path
        self._stream = path.open("a", encoding="utf-8") if path else None
        self._last_progress: tuple[str, float] = ("", 0.0)
        self._bar: tqdm[Any] | None = None

    def progress(self, phase: str, done: int, total: int | None = None) -> None:
        """`done` of `total` units of a phase. At most two lines a second, but always a phase's first and last."""
        known, since = self._last_progress
        if phase == known and done != total and time.monotonic() - since < _PROGRESS_SECONDS:
            return
        if phase != known:
            self._laps, self._lap_began = {}, time.monotonic()
        self._last_progress = (phase, time.monotonic())
        self._write("progress", phase=phase, done=done, total=total)
        self._show(phase, done, total)

    def lap(self, name: str) -> None:
        """A part of a step has ended that began where the last one ended: its seconds stand with the step's figures.

        What ends after a step's figures, such as the saving of its state, stands with the next step's.
        """
        now = time.monotonic()
        self._laps[name] = self._laps.get(name, 0.0) + now - self._lap_began
        self._lap_began = now

    def metrics(self, step: int, **values: float) -> None:
        """Figures of one optimizer step or iteration."""
        if self._stream is not None:
            laps = {f"seconds_{name}": round(seconds, 6) for name, seconds in self._laps.items()}
            machine = {**laps, **self._machine()}
            self._write("metrics", step=step, values=values, machine=machine)
            self._print(f"step {step}: " + _listed(values))
            self._to_trackers(step, "", {**values, **machine})
        self._laps, self._lap_began = {}, time.monotonic()

    def eval(self, step: int, **values: float) -> None:
        """Figures on held-out data after `step` steps."""
        self._write("eval", step=step, values=values)
        self._to_trackers(step, "eval/", values)
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

    def _to_trackers(self, step: int, prefix: str, values: dict[str, float]) -> None:
        if self.trackers is not None:
            numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
            self.trackers.log(step, {prefix + name: value for name, value in numbers.items() if math.isfinite(value)})

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
