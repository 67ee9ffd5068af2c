"""Which text can be kept, and which says nothing: what people and models write is stored by PostgreSQL as UTF-8."""

from __future__ import annotations

import re
import unicodedata

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Spaces, controls, format characters (those of no width among them) and marks that only change a letter before them.
# What Unicode has not assigned may be an emoji that is newer than this Python: it counts as seen.
_UNSEEN = frozenset(["Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Me"])
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a symbol by category, blank by their glyph


def storable_text(text: str) -> str:
    """The text with NUL and halves of surrogate pairs, which neither takes, replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def is_blank(text: str) -> bool:
    """Whether nothing of the text would be seen: no character but spaces and those without ink of their own."""
    return all(character in _FILLERS or unicodedata.category(character) in _UNSEEN for character in text)


def written(text: str) -> str:
    """What somebody wrote in a field, as it is kept: storable, lines ended by one character, nothing around it.

    Empty where nothing of it would be seen.
    """
    text = storable_text(text).replace("\r\n", "\n").strip()
    return "" if is_blank(text) else text
