"""Snapshots: frozen human data on its way from labeling to training.

    <digest>/manifest.json  demonstrations.jsonl  rankings.jsonl  prompts.jsonl

The manifest's meta carries the project, the counts by kind and split, the split rule, and how far people agree with
one another: {"share", "pairs", "prompts", "low", "high", "rule", "interval_rule"}, empty where no two can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from exchange import envelope
from exchange.records import Demonstration, Prompt, RankingGroup, read_records, to_line

FORMAT = "plumbline.snapshot"
VERSION = 1
KIND = "snapshots"
_FILES = {"prompts": Prompt, "demonstrations": Demonstration, "rankings": RankingGroup}

SnapshotRecord = TypeVar("SnapshotRecord", Prompt, Demonstration, RankingGroup)


def write_snapshot(
    parent: Path,
    *,
    project: str,
    prompts: Iterable[Prompt],
    demonstrations: Iterable[Demonstration],
    rankings: Iterable[RankingGroup],
    meta: dict[str, Any],
) -> tuple[str, Path]:
    """Stream the records into a new snapshot below `parent`; return (digest, directory).

    The caller gives the records in a fixed order: the same records in the same order give the same digest.
    """

    def fill(directory: Path) -> dict[str, Any]:
        counts = {
            name: _write_counted(directory / f"{name}.jsonl", records)
            for name, records in (("prompts", prompts), ("demonstrations", demonstrations), ("rankings", rankings))
        }
        return {**meta, "project": project, "counts": counts}

    return envelope.write_envelope(parent, fill, format=FORMAT, version=VERSION)


def read_snapshot(
    directory: Path, kind: type[SnapshotRecord], *, split: str | None = None
) -> Iterator[SnapshotRecord]:
    """The snapshot's records of one kind, of one split if given, in file order."""
    name = next(name for name, record in _FILES.items() if record is kind)
    path = directory / f"{name}.jsonl"
    if not path.is_file():
        raise envelope.EnvelopeError(f"Snapshot {directory.name[:12]} lacks its file {path.name}.")
    return (record for record in read_records(path, kind) if split is None or record.split == split)


def _write_counted(path: Path, records: Iterable[Prompt | Demonstration | RankingGroup]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for record in records:
            stream.write(to_line(record))
            counts[record.split] += 1
    return dict(sorted(counts.items()))
