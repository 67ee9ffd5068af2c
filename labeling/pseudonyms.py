"""Labelers' pseudonyms: the same person has the same one in all snapshots of a project, and no other project's.

Pure. Without the key, which is made once for an installation and stays there, nobody can tell who is behind one.
"""

from __future__ import annotations

import hashlib
import hmac


def pseudonym(labeler: str, *, key: str, project: str) -> str:
    """16 hex digits of HMAC-SHA256 under `key` for a labeler's key in a project (its slug)."""
    return hmac.new(key.encode(), f"{project}\0{labeler}".encode(), hashlib.sha256).hexdigest()[:16]
