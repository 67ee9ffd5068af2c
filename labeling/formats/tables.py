"""Tables of prompts: CSV with a header. A column that holds structure holds JSON where it is text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from labeling.formats.parsed import FileError, LineError, ParsedLine, ParsedPrompt, Problem
from labeling.formats.reading import MAX_LINE, Position, json_value, parse_row, shown
from labeling.formats.unused import Unused, quoted

Parse = Callable[[object], Iterable[ParsedPrompt]]


def parse_csv(
    path: Path, position: Position, parse: Parse, *, content: tuple[str, ...], structured: tuple[str, ...]
) -> Iterator[ParsedLine | Problem]:
    """Each record of a CSV, whose delimiter is a comma, a semicolon or a tab. Raises FileError.

    Cells are text, whatever they begin with: a formula is never anything else here.
    """
    csv.field_size_limit(MAX_LINE)

    def row(values: object) -> Iterable[ParsedPrompt]:
        if not isinstance(values, dict) or None in values:
            raise LineError("the record has more fields than the header")
        if None in values.values():
            raise LineError("the record has fewer fields than the header")
        named = {str(name).strip(): value for name, value in values.items() if value != ""}
        return parse(structured_values(named, structured))

    with path.open("rb") as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as stream:
        try:
            header = stream.readline(MAX_LINE)
            delimiter = max(",;\t", key=header.count)
            stream.seek(0)
            rows = csv.DictReader(_lines(stream), delimiter=delimiter, strict=True)
            check_columns([name.strip() for name in rows.fieldnames or ()], content)
            for values in rows:
                position.read = binary.tell()
                yield parse_row(rows.line_num, values, row)
        except UnicodeDecodeError as error:
            raise FileError("The table is not UTF-8 text; save it as UTF-8.") from error
        except csv.Error as error:
            raise FileError(f"The CSV is broken at line {rows.line_num + 1}: {error}.") from error


def _lines(stream: IO[str]) -> Iterator[str]:
    """The lines of a table, none of them longer than what fits into memory."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise FileError(f"Line {number} of the table is longer than {MAX_LINE // 1024 // 1024} MiB.")
        yield line


def structured_values(row: object, names: tuple[str, ...]) -> object:
    """The row with its structured columns as values, where they are text that is JSON."""
    values = dict(row) if isinstance(row, dict) else {}
    for name in names:
        if isinstance(values.get(name), str):
            try:
                values[name] = json_value(values[name])
            except LineError as error:
                raise LineError(f"the column {name!r} is {error}") from error
    return values


def check_columns(names: list[str], content: tuple[str, ...]) -> None:
    """Raise FileError for a column that is named twice and for a table without any column of `content`."""
    if twice := next((name for name, count in Counter(names).items() if name and count > 1), None):
        raise FileError(shown(f"The table names the column {twice!r} twice."))
    if not set(content) & set(names):
        *most, last = (repr(name) for name in content)
        found = Unused()
        found.add(names)
        has = f"; it has {quoted(found.first, found.count)}" if names else ""
        raise FileError(f"The table has no column {', '.join(most)} or {last}{has}.")
