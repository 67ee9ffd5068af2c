"""Labelers' pseudonyms: the same person has the same one in all snapshots of a project, and no other project's.

The project's engineers see the same one over the API. Pure. Without the key, which is made once for an installation
and stays there, nobody can tell who is behind one.
"""

from __future__ import annotations

import hashlib
import hmac


def account_key(user_id: int) -> str:
    """The key of a labeler who has an account here."""
    return f"user:{user_id}"


def source_key(name: str) -> str:
    """The key of a person whom an imported file names."""
    return f"source:{name}"


def pseudonym(labeler: str, *, key: str, project: str) -> str:
    """16 hex digits of HMAC-SHA256 under `key` for a labeler's key in a project (its slug)."""
    return hmac.new(key.encode(), f"{project}\0{labeler}".encode(), hashlib.sha256).hexdigest()[:16]
