"""Plain prompts, one a JSON line or one a row of a table.

A JSON line is a string, or an object with `prompt`, `text`, `messages` or `few_shot` and, optionally, `id`, `author`,
`organisation`, `kind`, `category`, `source`, `language`, `demonstration`, and `completions` [{id, text, model}] with
their `ranking` [[id], [id, id], …]. `few_shot` is {instruction, examples [[query, response], …]}: K examples are K
prompts, each response a demonstration. Columns of tables have the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exchange.records import Message
from exchange.text import is_blank
from labeling.fewshot import EXAMPLES_MAX, expand
from labeling.formats.likeness import other_format
from labeling.formats.parquet import parse_parquet
from labeling.formats.parsed import (
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
from labeling.formats.reading import PARQUET, Position, parse_json_lines
from labeling.formats.tables import parse_csv
from labeling.formats.unused import Unused

_CONTENT = ("prompt", "text", "messages", "few_shot")
_STRUCTURED = ("messages", "few_shot", "completions", "ranking")
_PLAIN = ("id", "author", "organisation", "kind", "category", "source", "language", "demonstration")
_KNOWN = frozenset({*_CONTENT, *_STRUCTURED, *_PLAIN})


def parse(path: Path, position: Position) -> Iterator[ParsedLine | Problem]:
    """The prompts of each row. Raises FileError when a table lacks the needed column or names one twice."""

    def line(value: object) -> Iterator[ParsedPrompt]:
        note_unused(value, position.unused)
        try:
            yield from parse_value(value)
        except LineError as error:
            raise LineError(f"{error}{other_format(value, 'prompts')}") from error

    if is_table(path):
        return parse_csv(path, position, line, content=_CONTENT, structured=_STRUCTURED)
    with path.open("rb") as stream:
        is_parquet = stream.read(len(PARQUET)) == PARQUET
    if is_parquet:
        return parse_parquet(path, position, line, content=_CONTENT, structured=_STRUCTURED)
    return parse_json_lines(path, position, line)


def is_table(path: Path) -> bool:
    """Whether the file is read as CSV, with whatever delimiter."""
    return path.suffix in (".csv", ".tsv")


def note_unused(value: object, unused: Unused) -> None:
    """Note the keys of a parsed JSON value that `parse_value` does not look at."""
    if isinstance(value, dict):
        unused.add(name for name in value if name not in _KNOWN)


def parse_value(value: object) -> Iterator[ParsedPrompt]:
    """The prompts of one parsed JSON value. Raises LineError."""
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, dict):
        raise LineError(f"an object or a string is expected, not {_json_name(value)}")
    given = [name for name in _CONTENT if name in value]
    if len(given) != 1:
        found = f"it has {' and '.join(given)}" if given else "it has none of them"
        raise LineError(f"a prompt needs one of 'prompt', 'text', 'messages' and 'few_shot': {found}")
    content = value[given[0]]
    if given == ["few_shot"]:
        yield from _few_shot(value, content)
        return
    if given == ["messages"]:
        messages = messages_from(content)
    elif isinstance(content, str):
        messages = (Message("user", content),)
    else:
        raise LineError(f"{given[0]!r} must be text, not {_json_name(content)}")
    name = field_text(value, "id") or content_id(messages)
    demonstration = field_text(value, "demonstration")
    yield ParsedPrompt(
        external_id=name,
        messages=messages,
        author=field_text(value, "author") or name,
        organisation=field_text(value, "organisation"),
        source=field_text(value, "source"),
        kind=field_text(value, "kind"),
        category=field_text(value, "category"),
        language=field_text(value, "language"),
        demonstrations=() if is_blank(demonstration) else (ParsedDemonstration("demonstration", demonstration),),
        rankings=_rankings(value),
    )


def _few_shot(value: dict[str, object], content: object) -> Iterator[ParsedPrompt]:
    instruction, examples = _examples(content)
    if clashing := [name for name in ("demonstration", "completions", "ranking") if name in value]:
        raise LineError(f"a few-shot prompt has its answers in its examples, not in {clashing[0]!r}")
    expanded = [
        (tuple(Message(role, text) for role, text in turns), response)
        for turns, response in expand(instruction, examples)
    ]
    # One id for all, made of everything that the line says; the first prompt lacks only its own response.
    whole = (*expanded[0][0], Message("assistant", examples[0][1]))
    name = field_text(value, "id") or content_id(whole)
    for number, (messages, response) in enumerate(expanded, start=1):
        yield ParsedPrompt(
            external_id=f"{name}#{number}",
            messages=messages,
            author=field_text(value, "author") or name,
            organisation=field_text(value, "organisation"),
            source=field_text(value, "source"),
            kind=field_text(value, "kind") or "few_shot",
            category=field_text(value, "category"),
            language=field_text(value, "language"),
            demonstrations=() if is_blank(response) else (ParsedDemonstration("demonstration", response),),
        )


def _examples(content: object) -> tuple[str, list[tuple[str, str]]]:
    if not isinstance(content, dict):
        raise LineError("'few_shot' must be an object with instruction and examples")
    instruction, pairs = field_text(content, "instruction"), content.get("examples")
    if not isinstance(pairs, list) or not pairs:
        raise LineError("'examples' of 'few_shot' must be a list of [query, response]")
    if len(pairs) > EXAMPLES_MAX:
        raise LineError(f"a few-shot prompt may have at most {EXAMPLES_MAX} examples, not {len(pairs)}")
    examples = []
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise LineError("each of 'examples' must be [query, response], two texts")
        examples.append((pair[0], pair[1]))
    return instruction, examples


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
