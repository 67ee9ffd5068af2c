"""The rule of length: how long a prompt may be, in words and in characters."""

from __future__ import annotations

from collections.abc import Sequence


def length_of(messages: Sequence[dict[str, str]]) -> tuple[int, int]:
    """Words (runs between white space) and characters of all turns together."""
    return (
        sum(len(message["content"].split()) for message in messages),
        sum(len(message["content"]) for message in messages),
    )


def length_reason(
    messages: Sequence[dict[str, str]],
    *,
    min_words: int = 0,
    max_words: int = 0,
    min_characters: int = 0,
    max_characters: int = 0,
) -> str | None:
    """Why the prompt is too short or too long, in one sentence; None where it is neither. A limit of 0 is none."""
    words, characters = length_of(messages)
    for found, least, most, unit in (
        (words, min_words, max_words, "words"),
        (characters, min_characters, max_characters, "characters"),
    ):
        if found < least:
            asked = f"at least {least:,} {'is' if least == 1 else 'are'} asked for"
            return f"{found:,} {unit.removesuffix('s') if found == 1 else unit}, {asked}."
        if most and found > most:
            return f"{found:,} {unit}, at most {most:,} {'is' if most == 1 else 'are'} allowed."
    return None
