"""What changed between two versions of a rating form, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from labeling.forms import TYPES, Field


def form_changes(before: Sequence[Field], after: Sequence[Field]) -> list[str]:
    """A sentence for each field that is new, gone or asked differently, and one when only the order changed."""
    old, new = {field.name: field for field in before}, {field.name: field for field in after}
    said = [f"“{field.label}” is new." for name, field in new.items() if name not in old]
    said += [f"“{field.label}” is asked no more." for name, field in old.items() if name not in new]
    for name in (name for name in new if name in old):
        said += _differences(old[name], new[name])
    if not said and list(old) != list(new):
        said = ["The order of the fields changed."]
    return said


def _differences(old: Field, new: Field) -> list[str]:
    found = []
    if old.label != new.label:
        found.append(f"“{old.label}” is now called “{new.label}”.")
    if old.type != new.type:
        found.append(f"“{new.label}” is now of the type “{TYPES[new.type].lower()}”.")
    elif old.type == "scale" and old.points != new.points:
        found.append(f"“{new.label}” now goes from {new.min} to {new.max}.")
    elif old.options != new.options:
        found.append(f"“{new.label}” has other options: {', '.join(new.options)}.")
    if old.required != new.required:
        found.append(f"“{new.label}” {'must be answered' if new.required else 'may be left out'} now.")
    if old.help != new.help:
        found.append(f"The help of “{new.label}” changed.")
    return found
