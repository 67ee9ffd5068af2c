"""Import formats, one file each. Pure: from a path to parsed lines and problems, without Django or the database.

A format is a module with `parse(path, position)`, which yields a ParsedLine or a Problem for each line, in file order,
and keeps `position` up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from labeling.formats import oasst, prompts, self_instruct
from labeling.formats.parsed import FileError, ParsedLine, Problem
from labeling.formats.reading import Position, check_head

FORMATS: dict[str, Callable[[Path, Position], Iterator[ParsedLine | Problem]]] = {
    "oasst": oasst.parse,
    "self_instruct": self_instruct.parse,
    "prompts": prompts.parse,
}
SUFFIXES = (".jsonl", ".json", ".txt", ".csv", ".tsv", ".parquet")


def check_file(path: Path, format: str) -> None:
    """Look at the first bytes of a file that claims to be of `format`. Raises FileError with the sentence to show."""
    if format not in FORMATS:
        raise FileError(f"There is no format {format!r}; choose one of {', '.join(FORMATS)}.")
    check_head(path, parquet=format == "prompts", table=format == "prompts" and prompts.is_table(path))


def parse_file(path: Path, format: str, position: Position | None = None) -> Iterator[ParsedLine | Problem]:
    """Parse a file. Raises FileError for a file that cannot be read at all, also after some lines were yielded."""
    check_file(path, format)
    return FORMATS[format](path, position or Position())
