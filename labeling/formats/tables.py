"""Tables of prompts: CSV with a header, and Parquet. A column that holds structure holds JSON where it is text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from labeling.formats.parsed import FileError, LineError, ParsedLine, ParsedPrompt, Problem
from labeling.formats.reading import MAX_LINE, Position, json_value, parse_row, shown

# What a Parquet file may become when it is unpacked: a small one can hold a great deal of the same.
MAX_UNPACKED = 2 * 1024**3  # characters of text
_MAX_COLUMN = 512 * 1024**2  # bytes of one column of one row group, as the file itself says
_PARQUET_ROWS = 1000
_NESTED_ROWS = 4

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
        return parse(_structured(named, structured))

    with path.open("rb") as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as stream:
        try:
            header = stream.readline(MAX_LINE)
            delimiter = max(",;\t", key=header.count)
            stream.seek(0)
            rows = csv.DictReader(_lines(stream), delimiter=delimiter, strict=True)
            _check_columns([name.strip() for name in rows.fieldnames or ()], content)
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


def parse_parquet(
    path: Path, position: Position, parse: Parse, *, content: tuple[str, ...], structured: tuple[str, ...]
) -> Iterator[ParsedLine | Problem]:
    """Each row of a Parquet file, columns that are null left out. Raises FileError.

    Text stays in its dictionary until its row is reached, so that a value repeated a million times is kept once.
    """
    import pyarrow
    from pyarrow import parquet  # only where a Parquet file is read: it weighs more than the rest of the process

    try:
        with parquet.ParquetFile(path) as plain:
            schema, metadata = plain.schema_arrow, plain.metadata
        _check_columns(schema.names, content)
        sizes = (
            metadata.row_group(group).column(column).total_uncompressed_size
            for group in range(metadata.num_row_groups)
            for column in range(metadata.num_columns)
        )
        if max(sizes, default=0) > _MAX_COLUMN:
            raise FileError("The Parquet file has a row group too large to read; write it with smaller row groups.")
        texts = [f.name for f in schema if pyarrow.types.is_string(f.type) or pyarrow.types.is_large_string(f.type)]
        # Text inside a list comes with its whole length in every row, however small the file: few rows at a time.
        at_once = _PARQUET_ROWS if all(f.name in texts or f.type.num_fields == 0 for f in schema) else _NESTED_ROWS
        total, number, unpacked = max(metadata.num_rows, 1), 0, 0
        size = path.stat().st_size
        with parquet.ParquetFile(path, read_dictionary=texts) as table:
            for batch in table.iter_batches(batch_size=at_once):
                columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                for index in range(batch.num_rows):
                    number += 1
                    row = {name: value for name, cell in columns.items() if (value := cell[index].as_py()) is not None}
                    unpacked += sum(len(value) for value in row.values() if isinstance(value, str))
                    if unpacked > MAX_UNPACKED:
                        limit = MAX_UNPACKED // 1024**3
                        raise FileError(f"The Parquet file unpacks to more than {limit} GiB of text; split it.")
                    position.read = size * number // total
                    yield parse_row(number, row, lambda values: parse(_structured(values, structured)))
    except (pyarrow.ArrowException, OSError) as error:
        raise FileError(f"The Parquet file is broken: {str(error).splitlines()[0].rstrip('.')}.") from error


def _structured(row: object, names: tuple[str, ...]) -> object:
    """The row with its structured columns as values, where they are text that is JSON."""
    values = dict(row) if isinstance(row, dict) else {}
    for name in names:
        if isinstance(values.get(name), str):
            try:
                values[name] = json_value(values[name])
            except LineError as error:
                raise LineError(f"the column {name!r} is {error}") from error
    return values


def _check_columns(names: list[str], content: tuple[str, ...]) -> None:
    if twice := next((name for name, count in Counter(names).items() if name and count > 1), None):
        raise FileError(shown(f"The table names the column {twice!r} twice."))
    if not set(content) & set(names):
        *most, last = (repr(name) for name in content)
        raise FileError(f"The table has no column {', '.join(most)} or {last}.")
