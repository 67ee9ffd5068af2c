"""Plain prompts: JSON lines, CSV with a header, or Parquet.

A JSON line is a string, or an object with `prompt`, `text` or `messages` and, optionally, `id`, `author`, `category`,
`source`, `language`, `demonstration`, and `completions` [{id, text, model}] with their `ranking` [[id], [id, id], …].
Columns of CSV and Parquet have the same names; where one holds text, `messages`, `completions` and `ranking` are JSON
in it. A name that ends in .csv or .tsv makes a file a table with a delimiter; Parquet is known by its first bytes.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from exchange.records import Message
from labeling.formats.parsed import (
    FileError,
    LineError,
    ParsedCompletion,
    ParsedDemonstration,
    ParsedLine,
    ParsedPrompt,
    ParsedRanking,
    Problem,
    content_id,
    field_text,
    messages_from,
)
from labeling.formats.reading import MAX_LINE, PARQUET, json_value, parse_json_lines, parse_row, shown

_CONTENT = ("prompt", "text", "messages")
_STRUCTURED = ("messages", "completions", "ranking")
_PARQUET_ROWS = 1000


def parse(path: Path) -> Iterator[ParsedLine | Problem]:
    """One prompt a row. Raises FileError when a table lacks the needed column or names one twice."""
    if is_table(path):
        return _csv(path)
    with path.open("rb") as stream:
        is_parquet = stream.read(len(PARQUET)) == PARQUET
    return _parquet(path) if is_parquet else parse_json_lines(path, _prompt)


def is_table(path: Path) -> bool:
    """Whether the file is read as CSV, with whatever delimiter."""
    return path.suffix in (".csv", ".tsv")


def _csv(path: Path) -> Iterator[ParsedLine | Problem]:
    csv.field_size_limit(MAX_LINE)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            header = stream.readline(MAX_LINE)
            delimiter = max(",;\t", key=header.count)
            stream.seek(0)
            rows = csv.DictReader(stream, delimiter=delimiter, strict=True)
            _check_columns([name.strip() for name in rows.fieldnames or ()])
            for row in rows:
                yield parse_row(rows.line_num, row, _csv_row)
        except UnicodeDecodeError as error:
            raise FileError("The table is not UTF-8 text; save it as UTF-8.") from error
        except csv.Error as error:
            raise FileError(f"The CSV is broken at line {rows.line_num + 1}: {error}.") from error


def _csv_row(row: object) -> tuple[ParsedPrompt, ...]:
    if not isinstance(row, dict) or None in row:
        raise LineError("the record has more fields than the header")
    if None in row.values():
        raise LineError("the record has fewer fields than the header")
    return _table_row({str(name).strip(): value for name, value in row.items() if value != ""})


def _parquet(path: Path) -> Iterator[ParsedLine | Problem]:
    import pyarrow
    from pyarrow import parquet  # only where a Parquet file is read: it weighs more than the rest of the process

    try:
        table = parquet.ParquetFile(path)
        _check_columns(table.schema_arrow.names)
        number = 0
        for batch in table.iter_batches(batch_size=_PARQUET_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield parse_row(number, {k: v for k, v in row.items() if v is not None}, _table_row)
    except (pyarrow.ArrowException, OSError) as error:
        raise FileError(f"The Parquet file is broken: {str(error).splitlines()[0].rstrip('.')}.") from error


def _table_row(row: object) -> tuple[ParsedPrompt, ...]:
    """A row whose structured columns are values already, or text that is JSON."""
    values = dict(row) if isinstance(row, dict) else {}
    for name in _STRUCTURED:
        if isinstance(values.get(name), str):
            try:
                values[name] = json_value(values[name])
            except LineError as error:
                raise LineError(f"the column {name!r} is {error}") from error
    return _prompt(values)


def _check_columns(names: list[str]) -> None:
    if twice := next((name for name, count in Counter(names).items() if name and count > 1), None):
        raise FileError(shown(f"The table names the column {twice!r} twice."))
    if not set(_CONTENT) & set(names):
        raise FileError("The table has no column 'prompt', 'text' or 'messages'.")


def _prompt(value: object) -> tuple[ParsedPrompt, ...]:
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, dict):
        raise LineError(f"an object or a string is expected, not {_json_name(value)}")
    given = [name for name in _CONTENT if name in value]
    if len(given) != 1:
        found = f"it has {' and '.join(given)}" if given else "it has none of them"
        raise LineError(f"a prompt needs one of 'prompt', 'text' and 'messages': {found}")
    if given == ["messages"]:
        messages = messages_from(value["messages"])
    else:
        if not isinstance(value[given[0]], str):
            raise LineError(f"{given[0]!r} must be text, not {_json_name(value[given[0]])}")
        messages = (Message("user", value[given[0]]),)
    name = field_text(value, "id") or content_id(messages)
    demonstration = field_text(value, "demonstration")
    prompt = ParsedPrompt(
        external_id=name,
        messages=messages,
        author=field_text(value, "author") or name,
        source=field_text(value, "source"),
        category=field_text(value, "category"),
        language=field_text(value, "language"),
        demonstrations=(ParsedDemonstration("demonstration", demonstration),) if demonstration.strip() else (),
        rankings=_rankings(value),
    )
    return (prompt,)


def _rankings(value: dict[str, object]) -> tuple[ParsedRanking, ...]:
    completions, ranking = value.get("completions"), value.get("ranking")
    if completions is None and ranking is None:
        return ()
    if not isinstance(completions, list) or not all(isinstance(c, dict) for c in completions):
        raise LineError("a 'ranking' needs its 'completions', a list of objects with id and text")
    if not isinstance(ranking, list) or not all(isinstance(group, list) for group in ranking):
        raise LineError("'completions' need their 'ranking', a list of lists of completion ids, best first")
    parsed = tuple(
        ParsedCompletion(field_text(c, "id"), field_text(c, "text"), field_text(c, "model")) for c in completions
    )
    groups = tuple(tuple(field_text({"ranking": i}, "ranking") for i in group) for group in ranking)
    return (ParsedRanking("ranking", parsed, groups),)


def _json_name(value: object) -> str:
    names = {list: "a list", dict: "an object", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "null")
