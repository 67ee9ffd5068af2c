"""Reads of the snapshots that labeling published."""

from __future__ import annotations

import re
from typing import Any

from people.models import Project
from training.models import PublishedSnapshot

_PREFIX = re.compile(r"[0-9a-f]{8,64}")


def snapshot_find(*, project: Project, reference: str) -> PublishedSnapshot | None:
    """The project's snapshot with this digest, or with the one digest that starts so."""
    if not _PREFIX.fullmatch(reference):
        return None
    found = list(PublishedSnapshot.objects.filter(project=project, digest__startswith=reference)[:2])
    return found[0] if len(found) == 1 else None


def snapshot_counts(snapshot: PublishedSnapshot) -> list[tuple[str, dict[str, int], int]]:
    """(records, count by split, total) of demonstrations, rankings and prompts, as the manifest states them."""
    counts: dict[str, Any] = snapshot.manifest.get("meta", {}).get("counts", {})
    rows = []
    for name in ("demonstrations", "rankings", "prompts"):
        by_split = {split: int(counts.get(name, {}).get(split, 0)) for split in ("train", "valid", "test")}
        rows.append((name, by_split, sum(by_split.values())))
    return rows
