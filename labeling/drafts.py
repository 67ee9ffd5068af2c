"""The rule of a draft: any JSON object of bounded size; what a database cannot hold is replaced, never refused.

A draft is unfinished work, so its content is not judged here.
"""

from __future__ import annotations

import json

from exchange.text import storable_text

MAX_BYTES = 1_000_000
MAX_DEPTH = 20

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class DraftError(ValueError):
    """A draft cannot be kept. The message is one sentence for the person who wrote it."""


def storable(draft: Json) -> dict[str, Json]:
    """The draft as PostgreSQL's jsonb can hold it: NUL and lone surrogates become U+FFFD.

    Raises DraftError when it is no object, nested deeper than 20 levels or longer than 1,000,000 bytes of JSON.
    """
    if not isinstance(draft, dict):
        raise DraftError("A draft is a JSON object.")
    clean = _clean(draft, MAX_DEPTH)
    size = size_of(clean)
    if size > MAX_BYTES:
        raise DraftError(f"The draft is {size:,} bytes long, more than the {MAX_BYTES:,} that can be saved.")
    assert isinstance(clean, dict)  # noqa: S101 - tells the type checker what holds
    return clean


def size_of(draft: Json) -> int:
    """How many bytes of JSON a draft is."""
    return len(json.dumps(draft, ensure_ascii=False).encode())


def _clean(value: Json, depth: int) -> Json:
    if depth == 0:
        raise DraftError(f"The draft is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float) and value - value != 0:  # NaN and the infinities are no JSON
        return None
    if isinstance(value, dict):
        return {storable_text(key): _clean(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    return value
