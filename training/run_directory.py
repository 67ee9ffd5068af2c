"""The run directory: the only protocol between the platform and torch. No Django.

`config.json` goes in; `metrics.jsonl`, `log.txt` and `result.json` come out, and `state/`
while it runs. Everything here reads what another
process is still writing, and text that a model made: none of it is trusted to be whole, finite or storable.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.text import storable_text
from training.launcher import LOG

CONFIG = "config.json"
METRICS = "metrics.jsonl"
RESULT = "result.json"
STATE = "state"
STARTED_AGAIN = "--- started again ---"  # in the log: what stands before it tells of an earlier attempt
UNEXPECTED = "Unexpected error; the log says more."
OUT_OF_MEMORY = "The training process was killed, most often because memory ran out; a lower micro_tokens needs less."


def has_state(run_dir: Path) -> bool:
    """Whether a run left a saved state here, from which it can go on."""
    return any((run_dir / STATE).glob("*/state.json"))


def prepare(run_dir: Path, config: dict[str, Any], *, goes_on: bool = False) -> None:
    """A run directory with its `config.json`, written atomically. Whatever was there before is removed.

    Of a run that `goes_on` the saved states, what it reported and its log are kept.
    """
    if goes_on:
        (run_dir / RESULT).unlink(missing_ok=True)
        with (run_dir / LOG).open("a", encoding="utf-8") as log:
            log.write(f"\n{STARTED_AGAIN}\n")
    else:
        shutil.rmtree(run_dir, ignore_errors=True)
        run_dir.mkdir(parents=True)
    temporary = run_dir / (CONFIG + ".tmp")
    temporary.write_text(json.dumps(config, indent=1, allow_nan=False), encoding="utf-8")
    os.replace(temporary, run_dir / CONFIG)


@dataclass(frozen=True)
class Line:
    """One whole line of `metrics.jsonl`: its number, counted from 1, and its values."""

    number: int
    values: dict[str, Any]


class MetricsTail:
    """Reads `metrics.jsonl` while it grows: each whole line once, half-written lines when they are whole.

    A run that goes on from a saved state puts a shorter file in its place: that one is read from its first line.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / METRICS
        self._file = 0
        self._offset = 0
        self._number = 0

    def read(self) -> list[Line]:
        """The lines that were finished since the last call. A finished line that is no JSON object is passed over."""
        try:
            with self._path.open("rb") as stream:
                file = os.fstat(stream.fileno()).st_ino
                if file != self._file:
                    self._file, self._offset, self._number = file, 0, 0
                stream.seek(self._offset)
                fresh = stream.read()
        except FileNotFoundError:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = []
        for raw in whole.split(b"\n")[:-1]:
            self._number += 1
            values = _parsed(raw)
            if values is not None:
                lines.append(Line(self._number, values))
        return lines


def read_result(run_dir: Path) -> dict[str, Any] | None:
    """`result.json`, or None when the engine did not come to write it."""
    try:
        return _parsed((run_dir / RESULT).read_bytes())
    except OSError:
        return None


def log_tail(run_dir: Path, characters: int = 4000) -> str:
    """The end of `log.txt`, from the start of a line, as text that a database takes."""
    try:
        with (run_dir / LOG).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - characters))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if size > characters:
        text = text.partition("\n")[2] or text
    return storable_text(text)


def failure(result: dict[str, Any] | None, log: str) -> str:
    """One sentence on why a run failed, in the person's words where they can mend it."""
    error = (result or {}).get("error")
    if isinstance(error, dict) and error.get("audience") == "person" and error.get("message"):
        return str(error["message"])
    log = log.rpartition(STARTED_AGAIN)[2]
    if result is None and ("SIGKILL" in log or "exitcode  : -9" in log):
        return OUT_OF_MEMORY
    return UNEXPECTED


def storable(value: Any) -> Any:
    """The value with what PostgreSQL cannot store replaced by U+FFFD, at every depth."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    return value


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        # NaN and the infinities are no JSON; a curve shows a gap there.
        values = json.loads(raw, parse_constant=lambda _: None)
    except ValueError:
        return None
    return storable(values) if isinstance(values, dict) else None
