"""The rule of a difference: what was left out of one text and put in to make the other, word by word.

The longest common subsequence is found with bit vectors (Hyyrö 2004, "Bit-parallel LCS-length computation revisited"):
one big-integer step a word, so two answers of 2,000 words take milliseconds, whatever they say. Texts that differ over
more than `MOST` words are compared line by line, and beyond that many lines as a whole, so the work has a bound.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

MOST = 6_000
ISLAND = 3  # fewer words than this that happen to be alike between two longer changes only make them hard to read

_WORD = re.compile(r"\S+\s*|\s+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class Piece:
    """A stretch of text: in both ("same"), only in the older one ("out") or only in the newer one ("in")."""

    kind: str
    text: str


def difference(old: str, new: str) -> list[Piece]:
    """The pieces that make up both texts, in order: without "in" they spell `old`, without "out" they spell `new`.

    Words are compared without the white space after them: of what is the same, the new text's white space is kept.
    """
    for pattern in (_WORD, _LINE):
        before, after = pattern.findall(old), pattern.findall(new)
        head, tail = _ends(before, after)
        middle = before[head : len(before) - tail], after[head : len(after) - tail]
        if max(len(part) for part in middle) <= MOST:
            begun = [("same", _same(*pair)) for pair in zip(before[:head], after[:head], strict=True)]
            ended = [("same", text) for text in after[len(after) - tail :]]
            return _joined(begun + _marked(*middle) + ended)
    return _joined([("out", old), ("in", new)])


def share_kept(pieces: Sequence[Piece]) -> float:
    """How much of both texts is the same, 0 to 1, by characters; 1 for two empty texts."""
    same = 2 * sum(len(piece.text) for piece in pieces if piece.kind == "same")
    other = sum(len(piece.text) for piece in pieces if piece.kind != "same")
    return same / (same + other) if same + other else 1.0


def _ends(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many parts are alike at the start, and how many of the rest at the end."""
    most = min(len(before), len(after))
    head = next((i for i in range(most) if not _alike(before[i], after[i])), most)
    most -= head
    tail = next((i for i in range(most) if not _alike(before[-1 - i], after[-1 - i])), most)
    return head, tail


def _alike(one: str, other: str) -> bool:
    return one.strip() == other.strip()


def _same(old: str, new: str) -> str:
    """The newer spelling of a word in both; a text's last word takes the white space of the one that goes on."""
    return new if new[-1:].isspace() else old


def _marked(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    places: dict[str, int] = {}
    for index, text in enumerate(before):
        places[text.strip()] = places.get(text.strip(), 0) | 1 << index
    full = (1 << len(before)) - 1
    # A zero bit i in row j: before[i] takes part in the longest common subsequence of before[: i + 1], after[: j + 1].
    rows, row = [full], full
    for text in after:
        match = places.get(text.strip(), 0)
        hits = row & match
        row = ((row + hits) | (row & ~match)) & full
        rows.append(row)
    found: list[tuple[str, str]] = []
    i, j = len(before), len(after)
    while i and j:
        if _length(rows[j - 1], i) == _length(rows[j], i):
            j -= 1
            found.append(("in", after[j]))
        elif rows[j] >> (i - 1) & 1:
            i -= 1
            found.append(("out", before[i]))
        else:
            i, j = i - 1, j - 1
            found.append(("same", _same(before[i], after[j])))
    found += [("in", text) for text in reversed(after[:j])] + [("out", text) for text in reversed(before[:i])]
    return found[::-1]


def _length(row: int, i: int) -> int:
    return i - (row & ((1 << i) - 1)).bit_count()


def _joined(marked: list[tuple[str, str]]) -> list[Piece]:
    """Neighbours of one kind as one piece; where both changed, what went out stands before what came in."""
    runs = [(same, list(run)) for same, run in groupby(marked, key=lambda part: part[0] == "same")]
    ordered: list[tuple[str, str]] = []
    for index, (same, run) in enumerate(runs):
        inside = 0 < index < len(runs) - 1
        if same and inside and len(run) < ISLAND and min(len(runs[index - 1][1]), len(runs[index + 1][1])) > ISLAND:
            ordered += [(kind, text) for _, text in run for kind in ("out", "in")]
        else:
            ordered += run
    pieces: list[Piece] = []
    for same, group in groupby(ordered, key=lambda part: part[0] == "same"):
        stretch = list(group)
        for kind in ("same",) if same else ("out", "in"):
            pieces.append(Piece(kind, "".join(text for kind_, text in stretch if kind_ == kind)))
    return [piece for piece in pieces if piece.text]
