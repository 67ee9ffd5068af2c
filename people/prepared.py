"""Queries that are put together once and asked many times.

Django puts the SQL of a query together anew each time it is asked, which for a wide one takes longer than the database
needs to answer. Where a request is made hundreds of times a second, the query is written as always, but with marks in
the place of its values; here its SQL is kept and asked with the values of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=Model)

# Values that no query holds by chance and that pass every check of their kind of field.
_MARKS: dict[type, Callable[[int], Any]] = {
    int: lambda number: 7_261_194_306_000 + number,
    str: lambda number: f"\x01value {number}\x01",
    UUID: lambda number: UUID(int=7_261_194_306_000 + number),
}


class Prepared(Generic[Row]):
    """`Prepared(build, name=int, …)`: `build(name=mark, …)` makes the query, once; a call with values gives its rows.

    Each value stands in one or more places of the query as it is; it can be no None, and no list. Rows are whole
    objects with what the query selects beside them, as Django makes them.
    """

    def __init__(self, build: Callable[..., QuerySet[Row]], **kinds: type) -> None:
        self._build, self._kinds = build, kinds
        self._kept: _Kept | None = None

    def __call__(self, **values: Any) -> list[Row]:
        """The rows for these values."""
        kept = self._kept
        if kept is None:
            marks = {name: _MARKS[kind](number) for number, (name, kind) in enumerate(self._kinds.items())}
            kept = self._kept = _Kept(self._build(**marks), marks)
        with connection.cursor() as cursor:
            cursor.execute(
                kept.sql, [values[given.name] if isinstance(given, _Mark) else given for given in kept.given]
            )
            rows = cursor.fetchall()
        return [kept.made(row) for row in kept.compiler.apply_converters(rows, kept.converters)]

    def first(self, **values: Any) -> Row | None:
        """The first row, None where there is none."""
        rows = self(**values)
        return rows[0] if rows else None


class _Mark:
    def __init__(self, name: str) -> None:
        self.name = name


class _Kept:
    """SQL, the order of its values, and how a row becomes an object."""

    def __init__(self, rows: QuerySet[Any], marks: dict[str, Any]) -> None:
        self.compiler = compiler = rows.query.get_compiler(DEFAULT_DB_ALIAS)
        self.sql, parameters = compiler.as_sql()
        places = {_key(mark): _Mark(name) for name, mark in marks.items()}
        self.given = [places.get(_key(parameter), parameter) for parameter in parameters]
        found = {given.name for given in self.given if isinstance(given, _Mark)}
        if missing := marks.keys() - found:
            raise ValueError(f"The query does not hold {sorted(missing)[0]!r} as it was given.")
        self.converters = compiler.get_converters([column[0] for column in compiler.select])
        shape = compiler.klass_info
        first, last = shape["select_fields"][0], shape["select_fields"][-1] + 1
        self._model, self._columns = shape["model"], slice(first, last)
        self._names = [column[0].target.attname for column in compiler.select[first:last]]
        self._related = get_related_populators(shape, compiler.select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
        self._annotations = (compiler.annotation_col_map or {}).items()

    def made(self, row: list[Any]) -> Any:
        """The object of a row, with its related objects and annotations."""
        made = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._columns])
        for related in self._related:
            related.populate(row, made)
        for name, column in self._annotations:
            setattr(made, name, row[column])
        return made


def _key(value: object) -> tuple[type, str]:
    return type(value), str(value)
