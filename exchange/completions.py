"""Completion batches: a model's answers on their way from training back to labeling.

    <digest>/manifest.json  completions.jsonl

The manifest's meta carries the project, the snapshot that the prompts came from, the run and the purpose; a batch
whose purpose is "ranking" is opened as ranking tasks where it is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from exchange import envelope
from exchange.records import Completion, read_records, write_records

FORMAT = "plumbline.completions"
VERSION = 1
KIND = "completions"


def write_batch(parent: Path, completions: Iterable[Completion], *, meta: dict[str, Any]) -> tuple[str, Path]:
    """Write a batch below `parent`; return (digest, directory). `meta` has project, snapshot, run, purpose."""

    def fill(directory: Path) -> dict[str, Any]:
        return {**meta, "count": write_records(directory / "completions.jsonl", completions)}

    return envelope.write_envelope(parent, fill, format=FORMAT, version=VERSION)


def read_batch(directory: Path) -> Iterator[Completion]:
    """The completions of a batch, in file order."""
    return read_records(directory / "completions.jsonl", Completion)
