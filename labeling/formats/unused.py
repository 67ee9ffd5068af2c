"""The columns of a file that its format does not know: a few of their names, for one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

KEPT = 1_000  # names; a hostile file has as many as it has lines
SHOWN = 10
_WIDTH = 40


class Unused:
    """Names of columns (keys of JSON lines) that were read past, in the file's order, each once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, names: Iterable[str]) -> None:
        """Keep the names as long as there is room."""
        for name in names:
            if len(self._names) >= KEPT:
                return
            self._names[name[: 4 * _WIDTH]] = None  # a name may be as long as its file

    @property
    def first(self) -> list[str]:
        """As many of them as are shown, as a person may be shown them."""
        return [_shown(name) for name in islice(self._names, SHOWN)]

    @property
    def count(self) -> int:
        """How many there are; `KEPT` where there may be more."""
        return len(self._names)


def unused_said(first: Sequence[str], count: int) -> str:
    """What was not used, in one sentence; empty where that is nothing."""
    return f"Not used: {quoted(first, count)}." if first else ""


def quoted(first: Sequence[str], count: int) -> str:
    """Names, and how many there are beside them, within a sentence."""
    return ", ".join(f"“{name}”" for name in first) + more_said(first, count)


def more_said(first: Sequence[str], count: int) -> str:
    """How many there are beside the first, with the words that join the two."""
    more = count - len(first)
    return f" and {'at least ' if count >= KEPT else ''}{more:,} more" if more > 0 else ""


def _shown(name: str) -> str:
    plain = "".join(c for c in name if c.isprintable()).strip()
    return (plain if len(plain) <= _WIDTH else plain[: _WIDTH - 1] + "…") or "(no name)"
