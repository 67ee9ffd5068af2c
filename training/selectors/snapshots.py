"""Reads of the snapshots that labeling published."""

from __future__ import annotations

from typing import Any

from people.models import Project
from training.models import PublishedSnapshot
from training.selectors.digests import digest_find


def snapshot_find(*, project: Project, reference: str) -> PublishedSnapshot | None:
    """The project's snapshot with this digest, or with the one digest that starts so."""
    return digest_find(PublishedSnapshot.objects.filter(project=project), reference)


def snapshot_counts(snapshot: PublishedSnapshot) -> list[tuple[str, dict[str, int], int]]:
    """(records, count by split, total) of demonstrations, rankings and prompts, as the manifest states them."""
    counts: dict[str, Any] = snapshot.manifest.get("meta", {}).get("counts", {})
    rows = []
    for name in ("demonstrations", "rankings", "prompts"):
        by_split = {split: int(counts.get(name, {}).get(split, 0)) for split in ("train", "valid", "test")}
        rows.append((name, by_split, sum(by_split.values())))
    return rows
