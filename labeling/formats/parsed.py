"""What an import format yields: plain values, checked when they are made, and the lines that could not be read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from exchange.envelope import canonical_json
from exchange.records import Message, RecordError
from exchange.text import is_blank

# Where a prompt comes from (IG §3.2); empty where the source does not say.
KINDS = ("customer", "plain", "few_shot", "user_based")

# The widths of the columns that these values go into.
_WIDTHS = {
    "external_id": 200,
    "author": 200,
    "organisation": 200,
    "source": 60,
    "category": 60,
    "language": 20,
    "labeler": 200,
    "model": 120,
}


class FileError(Exception):
    """The file as a whole cannot be imported. The message is one sentence for the person."""


class LineError(ValueError):
    """One line breaks a rule. The message names the field and the rule."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that could not be read, with the reason in the person's words. `line` counts from 1."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedDemonstration:
    """An answer that a person wrote. `labeler` is the writer's key in the source, empty when unknown."""

    external_id: str
    text: str
    labeler: str = ""

    def __post_init__(self) -> None:
        if is_blank(self.text):
            raise LineError("a demonstration must not be empty")
        _check_texts(self)


@dataclass(frozen=True, slots=True)
class ParsedCompletion:
    """One of the answers of a ranking. `model` is empty for a person's answer."""

    external_id: str
    text: str
    model: str = ""

    def __post_init__(self) -> None:
        _check_texts(self)


@dataclass(frozen=True, slots=True)
class ParsedRanking:
    """K completions and their order: `groups` of external ids, best first; a group of several is a tie."""

    external_id: str
    completions: tuple[ParsedCompletion, ...]
    groups: tuple[tuple[str, ...], ...]
    labeler: str = ""

    def __post_init__(self) -> None:
        _check_texts(self)
        ids = [c.external_id for c in self.completions]
        ranked = [i for group in self.groups for i in group]
        if len(ids) < 2:
            raise LineError(f"a ranking needs at least 2 completions, not {len(ids)}")
        if twice := _repeated(ids) or _repeated(ranked):
            raise LineError(f"a ranking names the completion {twice!r} twice")
        if unknown := sorted(set(ranked) - set(ids)):
            raise LineError(f"a ranking names the unknown completion {unknown[0]!r}")
        if missing := sorted(set(ids) - set(ranked)):
            raise LineError(f"a ranking leaves out the completion {missing[0]!r}")
        if not all(self.groups):
            raise LineError("a ranking has an empty place")


@dataclass(frozen=True, slots=True)
class ParsedPrompt:
    """A prompt with the labels that came with it. Messages end with a user's turn."""

    external_id: str
    messages: tuple[Message, ...]
    author: str
    source: str = ""
    category: str = ""
    language: str = ""
    kind: str = ""
    organisation: str = ""
    demonstrations: tuple[ParsedDemonstration, ...] = ()
    rankings: tuple[ParsedRanking, ...] = ()

    def __post_init__(self) -> None:
        if is_blank(self.external_id):
            raise LineError("a prompt needs an id that is not empty")
        if not self.messages:
            raise LineError("a prompt needs at least one message")
        if self.messages[-1].role != "user":
            raise LineError("a prompt's last message must be the user's")
        if is_blank(self.messages[-1].content):
            raise LineError("the prompt is empty")
        if self.kind and self.kind not in KINDS:
            raise LineError(f"the kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        _check_texts(self)
        for message in self.messages:
            _check_text("content", message.content)

    @property
    def size(self) -> int:
        """Characters of its messages and of the labels that came with it."""
        characters = 0
        for message in self.messages:
            characters += len(message.content)
        for demonstration in self.demonstrations:
            characters += len(demonstration.text)
        for ranking in self.rankings:
            characters += sum(len(completion.text) for completion in ranking.completions)
        return characters


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """The prompts of one line (or CSV record or Parquet row), counted from 1."""

    line: int
    prompts: tuple[ParsedPrompt, ...]

    @property
    def size(self) -> int:
        """Characters of what it brings."""
        return sum(prompt.size for prompt in self.prompts)


def messages_from(value: object) -> tuple[Message, ...]:
    """Messages from parsed JSON. Raises LineError."""
    if not isinstance(value, list) or not all(isinstance(m, dict) for m in value):
        raise LineError("'messages' must be a list of objects with role and content")
    try:
        return tuple(Message(role=m.get("role"), content=m.get("content")) for m in value)
    except RecordError as error:
        raise LineError(str(error)) from error


def content_id(messages: tuple[Message, ...]) -> str:
    """An id made of the content, for prompts that bring none: the same prompt has the same id in every file."""
    text = canonical_json([[m.role, m.content] for m in messages])
    return "sha256:" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def field_text(values: dict[str, object], name: str, default: str = "") -> str:
    """A text field; whole numbers are read as text, an absent or null one is `default`. Raises LineError."""
    value = values.get(name)
    if value is None:
        return default
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise LineError(f"{name!r} must be text, not {type(value).__name__}")


def _check_texts(record: ParsedPrompt | ParsedDemonstration | ParsedCompletion | ParsedRanking) -> None:
    for name in record.__slots__:
        value = getattr(record, name)
        if isinstance(value, str) and value:
            _check_text(name, value)
            if len(value) > _WIDTHS.get(name, len(value)):
                raise LineError(f"the {name.replace('_', ' ')} is longer than {_WIDTHS[name]} characters")


def _check_text(name: str, value: str) -> None:
    if "\x00" in value:
        raise LineError(f"the {name.replace('_', ' ')} contains a NUL character, which the database cannot keep")
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise LineError(f"the {name.replace('_', ' ')} contains half of a surrogate pair") from error


def _repeated(values: list[str]) -> str | None:
    return next((value for i, value in enumerate(values) if value in values[:i]), None)
