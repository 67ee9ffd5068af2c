"""Other people's words within a sentence of ours: on one line, and unable to turn the words around them."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError

# Unicode's embeddings, overrides and isolates (UAX 9 §2): without an end they change the order of what follows.
# The marks that are single letters of no width (200E, 200F, 061C) and the joiners of emoji and Persian stay.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# With the spaces of no width, and the letters and the braille pattern that are blank by their glyph.
_UNSEEN = frozenset([*map(chr, _TURNING), *"\u200b\u2060\ufeff", *"\u115f\u1160\u2800\u3164\uffa0"])
_NO_LETTERS = frozenset(["Cc", "Cs", "Zl", "Zp"])  # controls, halves of pairs, ends of lines and paragraphs
_NO_INK = frozenset(["Zs", "Cf", "Mn", "Me"])  # spaces, format characters, marks that only change a letter before them


def one_line(text: str, longest: int = 80) -> str:
    """The beginning of a text on one line of at most `longest` characters, without those that turn its direction."""
    looked_at = text[: 4 * longest]
    line = " ".join(looked_at.translate(_TURNING).split())
    return line if len(line) <= longest and looked_at == text else line[: longest - 1] + "…"


def is_plain(name: str) -> bool:
    """Whether a name, in whatever script, is one line that neither hides anything nor turns the words around it.

    No name at all is plain; one of which nothing is seen is not.
    """
    categories = {unicodedata.category(character) for character in name}
    is_hidden = bool(name.strip()) and categories <= _NO_INK
    return not (is_hidden or categories & _NO_LETTERS or _UNSEEN.intersection(name))


def printable(name: str) -> None:
    """Validator of names. Raises ValidationError for one that is not plain."""
    if not is_plain(name):
        raise ValidationError("A name is one line without invisible characters.", code="unprintable")
