"""The rule of language: which one a text is in, told offline by py3langid from the characters that stand together."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

# As many characters tell the language as well as all of them.
_READ = 2_000
_LETTER = re.compile(r"[^\W\d_]")


def language_of(text: str, *, confidence: float) -> str:
    """The language's code (ISO 639, as `en`), or an empty text where it is not told with `confidence` (0 to 1)."""
    head = text[:_READ]
    if not _LETTER.search(head):
        return ""
    language, sure = _identifier().classify(head.encode(errors="replace"))
    return str(language) if sure >= confidence else ""


def languages_known() -> frozenset[str]:
    """The codes that can be told."""
    return frozenset(_identifier().nb_classes)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # its model is read once, where it is needed

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
