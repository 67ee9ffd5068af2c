"""The installation's pretraining text as a run's input: where it is, and the digest of what it says. No Django."""

from __future__ import annotations

import hashlib
from pathlib import Path

from exchange.envelope import EnvelopeError


def pretraining_text(path: str) -> dict[str, str]:
    """Name, path and digest of a file or folder; the digest covers the names and contents of all of its files.

    Raises EnvelopeError, one sentence, when it is not there or cannot be read.
    """
    place = Path(path).expanduser()
    digest = hashlib.sha256()
    try:
        files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
        for file in files:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{file.relative_to(place.parent)}\0{content}\n".encode())
    except OSError as error:
        raise EnvelopeError(f"The pretraining text {path} cannot be read: {error.strerror}.") from error
    return {"name": place.name, "path": str(place), "digest": digest.hexdigest()}
