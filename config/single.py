"""One platform a `var/`: a lock that the system itself lets go when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import TextIO


class TakenError(Exception):
    """Somebody else holds the lock; `note` is what they wrote into it."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class Lock:
    """An exclusive lock on a file that says who holds it. Use as a context manager; raises TakenError at once."""

    def __init__(self, path: Path, note: str) -> None:
        self.path, self.note = path, note
        self._stream: TextIO | None = None

    def __enter__(self) -> Lock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        stream = self.path.open("a+")
        for _ in range(10):
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                stream.seek(0)
                if note := stream.read().strip():
                    stream.close()
                    raise TakenError(note) from None
                time.sleep(0.05)  # its holder has not written yet, or only looks
        else:
            stream.close()
            raise TakenError("")
        self._stream = stream
        stream.truncate(0)
        stream.write(self.note)
        stream.flush()
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.truncate(0)
            self._stream.close()
            self._stream = None


def holder(path: Path) -> str | None:
    """What the lock's holder wrote, or None when nobody holds it."""
    try:
        with path.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except OSError:
        return path.read_text().strip()
    return None
