"""Rows into a table by PostgreSQL's COPY, in its text format: one line a row, cells between tabs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence

from django.db import connection

NULL = "\\N"
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_AT_ONCE = 5_000
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def cell(text: str) -> str:
    """A text as a cell."""
    return text.translate(_ESCAPED)


def json_cell(value: object) -> str:
    """A JSON value as a cell. Its encoder leaves no tab and no line break, only backslashes."""
    return _to_json(value).replace("\\", "\\\\")


def copy_lines(table: str, lines: Iterable[str]) -> None:
    """Copy finished lines into `table`, whose name is ours."""
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} FROM STDIN", io.BytesIO("".join(lines).encode()))


def copy_rows(table: str, rows: Iterable[Sequence[str]]) -> int:
    """Copy rows of cells into `table` as they come, some thousands at a time; return how many."""
    count = 0
    block: list[str] = []
    for row in rows:
        block.append("\t".join(row) + "\n")
        if len(block) == _AT_ONCE:
            copy_lines(table, block)
            count += len(block)
            block = []
    copy_lines(table, block)
    return count + len(block)
