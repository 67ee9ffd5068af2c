"""Groups of labelers, for a check by people: does the model know those whose rankings it never saw (IG 3.5)?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def left_out_labelers(labelers: Iterable[str], *, folds: int, fold: int) -> set[str]:
    """The labelers of one group where all are dealt in turn into `folds` groups, in the order of their names' hashes.

    A pure function of who there is; groups differ by one person at most. Labels of nobody known ("") are in no group.
    """
    order = sorted(set(labelers) - {""}, key=lambda name: hashlib.sha256(name.encode()).digest())
    return set(order[fold::folds])
