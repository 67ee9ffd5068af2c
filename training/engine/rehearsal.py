"""A dry run: the real script on the real data up to the end of its first steps, which says what the whole will cost.

It reads and counts the data, loads the models, evaluates where a run begins with that, and takes one to three steps
(or samples for a few seconds), all in a folder of its own that is removed. What it tells is therefore measured, not
guessed: memory at its most with Adam's moments in place, seconds of a step, bytes of a saved state.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import torch

from training.engine import memory
from training.engine.errors import RunError
from training.engine.memory import GIB
from training.engine.reporter import Reporter

MOST_STEPS = 3
ENOUGH_SECONDS = 10.0  # of steps or of sampling
_STATES = 3  # on the disk at once: the two that are kept and the one that is being written


class Ended(BaseException):
    """The rehearsal has seen enough. A BaseException, so that no handler of ordinary errors swallows it."""


class Rehearsal(Reporter):
    """Listens where a reporter would write, and ends the script once a step's cost is known."""

    def __init__(self, device: torch.device, is_first: bool) -> None:
        super().__init__(None)
        self._is_first = is_first
        self._free_before = memory.free(device)
        self._seconds: dict[str, float] = {}  # of each phase
        self._steps: list[float] = []  # seconds of each step
        self._state = 0  # bytes of a saved state
        self._total = 0  # units of the phase in which a run learns or samples
        self._phase, self._since = "load", time.monotonic()
        self._first = 0

    def progress(self, phase: str, done: int, total: int | None = None) -> None:
        """Count the phases' seconds; sampling for long enough ends the rehearsal."""
        now = time.monotonic()
        if phase != self._phase:
            self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
            self._phase, self._since, self._first = phase, now, done
        if phase in ("train", "sample"):
            self._total = total or 0
        if phase == "sample" and done > self._first and now - self._since > ENOUGH_SECONDS:
            self._steps = [(now - self._since) / (done - self._first)]
            raise Ended

    def note(self, text: str) -> None:
        """What a run's page would say is printed."""
        if self._is_first:
            print(text, flush=True)

    def step_done(self, state: int) -> bool:
        """A step has ended, after which a state of so many bytes would be saved; whether that is enough of them."""
        now = time.monotonic()
        self._steps.append(now - self._since)
        self._since = now
        self._state = state
        return sum(self._steps) > ENOUGH_SECONDS or len(self._steps) >= min(MOST_STEPS, self._total)

    def figures(self, directory: Path, steps: int | None = None) -> dict[str, Any]:
        """What it found, flat; `steps` where a step is not a unit of the progress. `directory` is the run's,
        not the rehearsal's, which the first rank may have removed by now.

        Raises RunError when the disk has no room for the run's saved states.
        """
        free = shutil.disk_usage(directory).free
        if _STATES * self._state > free:
            raise RunError(
                f"The run's saved states need {_STATES * self._state / GIB:.1f} GiB, but only {free / GIB:.1f} GiB "
                f"are free in {directory}."
            )
        samples = "sample" in (*self._seconds, self._phase)
        if samples and not self._steps:
            self._steps = [self._seconds["sample"] / max(1, self._total)]
        # The first step also makes room and warms up; of several the later ones are what a step costs.
        later = self._steps[1:] or self._steps
        each, count = sum(later) / len(later), steps or self._total
        before = sum(seconds for phase, seconds in self._seconds.items() if phase in ("load", "eval"))
        peaks = memory.peaks()
        found: dict[str, Any] = {
            "answers" if samples else "steps": count,
            "seconds_an_answer" if samples else "seconds_a_step": round(each, 3),
            "seconds_before": round(before, 1),
            "seconds_until_the_last": round(before + count * each),
            **peaks,
            "memory_free_before_gib": round(self._free_before / GIB, 2),
        }
        if self._state:
            found["saved_state_gib"] = round(self._state / GIB, 4)
        return {**found, "disk_free_gib": round(free / GIB, 2)}
