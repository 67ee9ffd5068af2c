"""Finding a row by the digest that names it, or by as much of it as people copy."""

from __future__ import annotations

import re
from typing import TypeVar

from django.db.models import QuerySet

from training.models import Checkpoint, PublishedSnapshot

_PREFIX = re.compile(r"[0-9a-f]{8,64}")
_Named = TypeVar("_Named", Checkpoint, PublishedSnapshot)


def digest_find(rows: QuerySet[_Named], reference: str) -> _Named | None:
    """The row with this digest, or the one row whose digest starts so: at least eight characters of it."""
    if not _PREFIX.fullmatch(reference):
        return None
    found = list(rows.filter(digest__startswith=reference)[:2])
    return found[0] if len(found) == 1 else None
