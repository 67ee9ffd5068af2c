"""A block of parsed lines into a project: what it brought, and what was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from labeling.formats.parsed import ParsedLine, Problem
from labeling.formats.unused import Unused
from labeling.models import Import
from labeling.services.prompts import Intake, Prepared

KEPT_PROBLEMS = 100


@dataclass
class Brought:
    """What an import brought in, by kind, and what it left out: lines and columns, the first of them and how many."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    unused: Unused = field(default_factory=Unused)

    @property
    def fields(self) -> dict[str, Any]:
        """As the row of the import has it."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "problems": [{"line": problem.line, "reason": problem.reason} for problem in self.problems],
            "problem_count": self.problem_count,
            "unused": self.unused.first,
            "unused_count": self.unused.count,
        }


class Failed(Exception):
    """An import that ends without bringing anything in."""

    def __init__(self, sentence: str, problems: list[Problem]) -> None:
        super().__init__(sentence)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of a file: their prompts, ready to be added, and the bad ones among them."""

    prepared: Prepared
    problems: list[Problem]


def block_prepare(items: Sequence[ParsedLine | Problem], *, intake: Intake) -> Block:
    """A block of parsed lines. Asks nothing of the database."""
    rows = [(item.line, prompt) for item in items if isinstance(item, ParsedLine) for prompt in item.prompts]
    return Block(intake.prepare(rows), [item for item in items if isinstance(item, Problem)])


def block_add(block: Block, *, intake: Intake, brought: Brought, on_error: str, unit: str = "Line") -> None:
    """Add the block's prompts and count what came of it. `unit` is what a line is to the person.

    Raises Failed at the first bad line where `on_error` says so.
    """
    _stop_at_first(block.problems, on_error, unit)
    added = intake.add(block.prepared)
    _stop_at_first(added.problems, on_error, unit)
    found = sorted([*block.problems, *added.problems], key=lambda problem: problem.line)
    brought.counts.update(added.counts)
    brought.problem_count += len(found)
    brought.problems += found[: KEPT_PROBLEMS - len(brought.problems)]


def check_brought(brought: Brought, *, unit: str = "Line") -> None:
    """Raises Failed when not one prompt came in or was there already."""
    if brought.counts["prompts"] or brought.counts["prompts_unchanged"]:
        return
    if brought.problems:
        first = brought.problems[0]
        word = unit.lower()
        raise Failed(f"No {word} could be imported; {word} {first.line}: {first.reason}.", brought.problems)
    raise Failed("The file has no prompts in it; nothing was imported.", [])


def _stop_at_first(problems: list[Problem], on_error: str, unit: str) -> None:
    if problems and on_error == Import.OnError.ABORT:
        first = problems[0]
        raise Failed(f"{unit} {first.line}: {first.reason}. Nothing was imported.", [first])
