"""Self-Instruct: one task a line, an instruction with instances of input and output (seed tasks, user-oriented tasks).

Each instance is a prompt, the instruction followed by its input, with the output as a demonstration. A task is its own
author: all its instances are in one split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exchange.records import Message
from exchange.text import is_blank
from labeling.formats.likeness import TASK_KEYS, other_format
from labeling.formats.parsed import LineError, ParsedDemonstration, ParsedLine, ParsedPrompt, Problem, field_text
from labeling.formats.reading import Position, parse_json_lines


def parse(path: Path, position: Position) -> Iterator[ParsedLine | Problem]:
    """One prompt for each instance of each task."""
    return parse_json_lines(path, position, _task)


def _task(value: object) -> Iterator[ParsedPrompt]:
    if not isinstance(value, dict) or not value.keys() >= TASK_KEYS:
        other = other_format(value, "self_instruct")
        raise LineError(f"not a Self-Instruct task: 'id', 'instruction' and 'instances' are expected{other}")
    instances = value["instances"]
    if not isinstance(instances, list) or not instances or not all(isinstance(i, dict) for i in instances):
        raise LineError("'instances' must be a list of objects with input and output")
    task, instruction = field_text(value, "id"), field_text(value, "instruction").strip()
    for number, instance in enumerate(instances, start=1):
        yield _prompt(
            instance,
            name=task if len(instances) == 1 else f"{task}#{number}",
            task=task,
            instruction=instruction,
            category="classification" if value.get("is_classification") is True else "",
        )


def _prompt(instance: dict[str, object], *, name: str, task: str, instruction: str, category: str) -> ParsedPrompt:
    given, output = field_text(instance, "input").strip(), field_text(instance, "output").strip()
    return ParsedPrompt(
        external_id=name,
        messages=(Message("user", f"{instruction}\n\n{given}" if given else instruction),),
        author=task,
        source="self_instruct",
        category=category,
        demonstrations=() if is_blank(output) else (ParsedDemonstration("output", output),),
    )
