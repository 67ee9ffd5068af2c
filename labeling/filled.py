"""A rating form as a page shows it: each field with its HTML name and what is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.forms import Field


@dataclass(frozen=True)
class Option:
    """One value to choose: as it is sent, as it is read, and whether it is the one."""

    value: str
    text: str
    chosen: bool


@dataclass(frozen=True)
class Filled:
    """A field on a page. `id` and `name` are its HTML ones; `options` is empty for a text, whose `text` is typed."""

    field: Field
    name: str
    options: tuple[Option, ...]
    text: str

    @property
    def id(self) -> str:
        """Unique on the page, as the prefix is."""
        return f"field-{self.name}"

    @property
    def ticked(self) -> bool:
        """Whether a flag that is a box to tick is ticked."""
        return bool(self.options) and self.options[0].chosen


def filled(fields: Sequence[Field], values: object, prefix: str) -> tuple[Filled, ...]:
    """The fields with the values of a draft, which nobody has checked: what fits no field is not shown.

    `prefix` begins the HTML name of each, as in "rate-<completion>-".
    """
    given: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
    return tuple(_filled(field, given.get(field.name), prefix) for field in fields)


def _filled(field: Field, value: Any, prefix: str) -> Filled:
    options: tuple[Option, ...] = ()
    if field.type == "scale":
        whole = value if isinstance(value, int) and not isinstance(value, bool) else None
        options = tuple(Option(str(point), str(point), point == whole) for point in field.points)
    elif field.type == "flag":
        options = (Option("true", "Yes", value is True), Option("false", "No", value is False))
    elif field.type == "choice":
        options = tuple(Option(option, option, option == value) for option in field.options)
    text = value if field.type == "text" and isinstance(value, str) else ""
    return Filled(field, prefix + field.name, options, text)
