"""Which text can be kept: what people and models write is stored by PostgreSQL and written as UTF-8."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with NUL and halves of surrogate pairs, which neither takes, replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)
