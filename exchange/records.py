"""What travels between the halves: plain values, frozen, checked when they are made.

Every record is one line of canonical JSON in a `.jsonl` file. Fields that are absent in a line take the default, so
that an older file stays readable.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from exchange.envelope import EnvelopeError, canonical_json

ROLES = ("system", "user", "assistant")
SPLITS = ("train", "valid", "test")
PROVENANCES = ("human", "imported", "simulated")
COHORTS = ("", "training", "held_out")


class RecordError(ValueError):
    """A record breaks its own rule. The message names the field and the rule."""


@dataclass(frozen=True)
class Message:
    """One turn of a dialogue."""

    role: str
    content: str

    def __post_init__(self) -> None:
        _require(self.role in ROLES, f"a message's role must be one of {', '.join(ROLES)}, not {self.role!r}")
        _require(isinstance(self.content, str), "a message's content must be text")


@dataclass(frozen=True)
class Prompt:
    """What a completion answers: messages that end with a user turn.

    `answer` is the result that a rule can check, where the source has one, such as "72" or "… #### 72".
    """

    id: str
    messages: tuple[Message, ...]
    split: str
    category: str = ""
    source: str = ""
    answer: str = ""

    def __post_init__(self) -> None:
        _check_prompt(self.messages, self.split)


@dataclass(frozen=True)
class Demonstration:
    """A person's own answer to a prompt, the target of SFT (IG section 3.2)."""

    id: str
    prompt_id: str
    messages: tuple[Message, ...]
    completion: str
    split: str
    labeler: str
    provenance: str = "human"
    instructions_version: int = 0
    weight: float = 1.0
    category: str = ""

    def __post_init__(self) -> None:
        _check_prompt(self.messages, self.split)
        _require(bool(self.completion.strip()), "a demonstration must not be empty")
        _check_label(self.provenance, self.weight)


@dataclass(frozen=True)
class RankedCompletion:
    """One of the K answers of a ranking group."""

    id: str
    text: str
    model: str = ""


@dataclass(frozen=True)
class RankingGroup:
    """One person's ranking of all K completions of one prompt: the batch element of the reward model.

    `ranks[i]` is the rank of `completions[i]`: 0 is best, equal ranks are ties, ranks have no gaps. `strengths[n]` is
    how much better rank n is than rank n + 1, from 1 for the least; empty where nobody was asked. `cohort` is the
    labeler's: "training" or "held_out", empty where it is not known. `all_bad` says that the labeler found none of
    the answers acceptable.
    """

    id: str
    prompt_id: str
    messages: tuple[Message, ...]
    completions: tuple[RankedCompletion, ...]
    ranks: tuple[int, ...]
    split: str
    labeler: str
    provenance: str = "human"
    instructions_version: int = 0
    weight: float = 1.0
    category: str = ""
    strengths: tuple[int, ...] = ()
    cohort: str = ""
    all_bad: bool = False

    def __post_init__(self) -> None:
        _check_prompt(self.messages, self.split)
        _require(len(self.completions) >= 2, f"a ranking needs at least 2 completions, not {len(self.completions)}")
        _require(len(self.ranks) == len(self.completions), "a ranking must rank each of its completions once")
        _require(len({c.id for c in self.completions}) == len(self.completions), "a ranking names a completion twice")
        _require(sorted(set(self.ranks)) == list(range(max(self.ranks) + 1)), "ranks must be 0, 1, … without gaps")
        _check_strengths(self.strengths, steps=max(self.ranks))
        _require(self.cohort in COHORTS, f"a cohort must be training, held_out or empty, not {self.cohort!r}")
        _require(isinstance(self.all_bad, bool), f"all_bad must be true or false, not {self.all_bad!r}")
        _check_label(self.provenance, self.weight)


@dataclass(frozen=True)
class Completion:
    """A model's answer on its way back to the people."""

    id: str
    prompt_id: str
    text: str
    model: str
    checkpoint: str = ""
    finish: str = "eos"
    tokens: int = 0
    sampling: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.finish in ("eos", "length"), f"finish must be 'eos' or 'length', not {self.finish!r}")


Record = TypeVar("Record", Prompt, Demonstration, RankingGroup, Completion)


def to_line(record: Prompt | Demonstration | RankingGroup | Completion) -> str:
    """The record as one line of canonical JSON, newline included."""
    return canonical_json(dataclasses.asdict(record)) + "\n"


def from_dict(kind: type[Record], values: dict[str, Any]) -> Record:
    """A record from parsed JSON. Raises RecordError that says which field is wrong."""
    if not isinstance(values, dict):
        raise RecordError(f"a {kind.__name__} must be a JSON object")
    known = {f.name for f in dataclasses.fields(kind)}
    if unknown := sorted(values.keys() - known):
        raise RecordError(f"a {kind.__name__} has no field {unknown[0]!r}")
    values = dict(values)
    try:
        if "messages" in values:
            values["messages"] = tuple(Message(**m) for m in values["messages"])
        if "completions" in values:
            values["completions"] = tuple(RankedCompletion(**c) for c in values["completions"])
            values["ranks"] = tuple(values["ranks"])
        if "strengths" in values:
            values["strengths"] = tuple(values["strengths"])
        return kind(**values)
    except (TypeError, KeyError) as error:
        raise RecordError(f"a {kind.__name__} is incomplete: {error}") from error


def write_records(path: Path, records: Iterable[Prompt | Demonstration | RankingGroup | Completion]) -> int:
    """Write records as JSON lines, streaming; return how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for count, record in enumerate(records, start=1):  # noqa: B007 - returned after the loop
            stream.write(to_line(record))
    return count


def read_records(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Read records one by one. Raises EnvelopeError with the line number of a broken line."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield from_dict(kind, json.loads(line))
            except ValueError as error:
                raise EnvelopeError(f"{path.name} line {number}: {error}.") from error


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise RecordError(rule)


def _check_prompt(messages: tuple[Message, ...], split: str) -> None:
    _require(bool(messages), "a prompt needs at least one message")
    _require(messages[-1].role == "user", "a prompt's last message must be the user's")
    _require(split in SPLITS, f"a split must be one of {', '.join(SPLITS)}, not {split!r}")


def _check_strengths(strengths: tuple[int, ...], *, steps: int) -> None:
    _require(len(strengths) in (0, steps), f"{steps + 1} ranks have {steps} strengths between them or none")
    _require(all(type(value) is int and value >= 1 for value in strengths), "a strength must be 1 or more")


def _check_label(provenance: str, weight: float) -> None:
    _require(provenance in PROVENANCES, f"a provenance must be one of {', '.join(PROVENANCES)}, not {provenance!r}")
    _require(0 < weight < float("inf"), f"a weight must be positive and finite, not {weight}")
