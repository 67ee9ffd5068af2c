"""One bar for each stage: tqdm on a terminal, a plain line now and then where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

_EVERY = 15.0  # seconds between two plain lines of one phase


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 05 s."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class Bar:
    """The progress of one stage, phase after phase."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name, self.stream = name, stream
        self._tqdm: tqdm[None] | None = None
        if stream.isatty():
            self._tqdm = tqdm(
                file=stream, desc=name, bar_format="{desc:<34.34} {bar} {unit}", dynamic_ncols=True, leave=False
            )
        self._phase, self._since, self._said, self._at_start = "", time.monotonic(), 0.0, 0

    def update(self, phase: str, done: int, total: int | None, remaining: float | None = None) -> None:
        """Show where a phase stands; `remaining` in seconds, worked out from the rate where it is not given."""
        now = time.monotonic()
        fresh = phase != self._phase
        if fresh:
            self._phase, self._since, self._at_start = phase, now, done
        elapsed = now - self._since
        rate = (done - self._at_start) / elapsed if elapsed > 0.5 and done > self._at_start else None
        if remaining is None and rate and total:
            remaining = (total - done) / rate
        words = [f"{done:,}" + (f"/{total:,}" if total else "")]
        if rate:
            words.append(f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each")
        if remaining is not None:
            words.append(f"{duration(remaining)} left")
        if self._tqdm is not None:
            self._tqdm.total = total
            self._tqdm.n = done
            self._tqdm.set_description_str(f"{self.name} · {phase}", refresh=False)
            self._tqdm.unit = ", ".join(words)  # {postfix} would put a comma before it
            self._tqdm.refresh()
        elif fresh or now - self._said >= _EVERY:
            self._said = now
            self._line(f"{self.name} · {phase}: {', '.join(words)}")

    def note(self, text: str) -> None:
        """A line that stays."""
        self._line(f"  {text}")

    def close(self) -> None:
        """Take the bar away."""
        if self._tqdm is not None:
            self._tqdm.close()

    def _line(self, text: str) -> None:
        if self._tqdm is not None:
            self._tqdm.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)


class StageFailed(Exception):
    """A stage did not do its work: which one, why, and where the log is."""

    def __init__(self, stage: str, reason: str, log: str = "") -> None:
        super().__init__(f"Stage {stage!r} failed: {reason}" + (f"\nLog: {log}" if log else ""))
        self.stage, self.reason, self.log = stage, reason, log


class Progress:
    """All stages with the wall time of each, in seconds."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self.stream = stream
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Bar]:
        """Time a stage and show its bar; any error that is one sentence becomes StageFailed with the stage's name."""
        bar = Bar(name, self.stream)
        start = time.monotonic()
        try:
            yield bar
        finally:
            bar.close()
        self.seconds[name] = time.monotonic() - start
        print(f"✓ {name} — {duration(self.seconds[name])}", file=self.stream, flush=True)
