"""result.json, a run's last word: what it gave or why it failed, and whether that is for the person or for us."""

from __future__ import annotations

import errno
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room, none of the person's share, or none in one file


def failure(audience: str, message: str) -> dict[str, Any]:
    """The answer of a run that failed. `audience` is who can mend it: "person" or "engineer"."""
    return {"ok": False, "error": {"audience": audience, "message": message}}


def finite_figures(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary without its numbers that are not finite: JSON has no NaN, and one of them must not cost the run."""
    return {name: value for name, value in summary.items() if not isinstance(value, float) or math.isfinite(value)}


def disk_is_full(error: BaseException) -> bool:
    """Whether a disk refused to take more."""
    return isinstance(error, OSError) and error.errno in _FULL


def write(path: Path, answer: dict[str, Any]) -> dict[str, Any]:
    """Write an answer, whole or not at all, and give the one that holds: a failure where the disk does not take it.

    A full disk often has room for those few bytes once something that was half written is gone.
    """
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        text = json.dumps(answer, ensure_ascii=False, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if answer["ok"]:
            return failure("person", f"The run's result could not be written: {error.strerror}.")
    return answer
