"""OpenAssistant message trees: one conversation tree a line, as the OASST data sets publish them.

Every prompter message that has an assistant's answer is a prompt with the whole conversation before it. People's
answers are demonstrations. Sibling answers that all carry a rank are one K-way ranking, by the crowd that ranked them.
The tree has one author, its first prompter (or the tree itself where users are not published), so that no
conversation straddles two splits. What was deleted, and all that hangs on it, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from exchange.records import Message
from exchange.text import is_blank
from labeling.formats.likeness import TREE_KEYS, other_format
from labeling.formats.parsed import (
    LineError,
    ParsedCompletion,
    ParsedDemonstration,
    ParsedLine,
    ParsedPrompt,
    ParsedRanking,
    Problem,
    field_text,
)
from labeling.formats.reading import Position, parse_json_lines

_ROLES = {"prompter": "user", "assistant": "assistant"}
_Node = dict[str, object]


def parse(path: Path, position: Position) -> Iterator[ParsedLine | Problem]:
    """The prompts of each tree, with demonstrations and rankings."""
    return parse_json_lines(path, position, _tree)


def _tree(value: object) -> Iterator[ParsedPrompt]:
    if not isinstance(value, dict) or not value.keys() >= TREE_KEYS:
        other = other_format(value, "oasst")
        raise LineError(f"not an OASST tree: 'message_tree_id' and 'prompt' are expected{other}")
    root = _node(value["prompt"])
    author = field_text(root, "user_id") or field_text(value, "message_tree_id")
    waiting: list[tuple[_Node, tuple[Message, ...]]] = [(root, ())]
    while waiting:  # a stack, not recursion: a conversation may be deeper than Python's
        node, before = waiting.pop()
        if node.get("deleted"):
            continue
        messages = (*before, Message(_ROLES[_role(node)], _text(node)))
        replies = [_node(reply) for reply in _replies(node)]
        answers = [r for r in replies if _role(r) == "assistant" and not r.get("deleted")]
        if _role(node) == "prompter" and answers:
            yield _prompt(node, messages, answers, author)
        waiting.extend((reply, messages) for reply in reversed(replies))


def _prompt(node: _Node, messages: tuple[Message, ...], answers: list[_Node], author: str) -> ParsedPrompt:
    return ParsedPrompt(
        external_id=_id(node),
        messages=messages,
        author=author,
        source="oasst",
        language=field_text(node, "lang"),
        demonstrations=tuple(
            ParsedDemonstration(_id(answer), _text(answer), field_text(answer, "user_id"))
            for answer in answers
            if not answer.get("synthetic") and not is_blank(_text(answer))
        ),
        rankings=_rankings(node, answers),
    )


def _rankings(node: _Node, answers: list[_Node]) -> tuple[ParsedRanking, ...]:
    ranks = [answer.get("rank") for answer in answers]
    if len(answers) < 2 or any(rank is None for rank in ranks):
        return ()
    if any(not isinstance(rank, int) or isinstance(rank, bool) for rank in ranks):
        raise LineError(f"the ranks below message {_id(node)} must be whole numbers")
    by_rank: dict[int, list[str]] = {}
    for answer, rank in zip(answers, ranks, strict=True):
        by_rank.setdefault(int(str(rank)), []).append(_id(answer))
    completions = (ParsedCompletion(_id(a), _text(a), field_text(a, "model_name")) for a in answers)
    return (
        ParsedRanking(
            external_id="siblings",
            completions=tuple(completions),
            groups=tuple(tuple(by_rank[rank]) for rank in sorted(by_rank)),
        ),
    )


def _node(value: object) -> _Node:
    if not isinstance(value, dict):
        raise LineError("a message of the tree must be an object")
    return value


def _replies(node: _Node) -> list[object]:
    replies = node.get("replies") or []
    if not isinstance(replies, list):
        raise LineError(f"'replies' of message {_id(node)} must be a list")
    return replies


def _role(node: _Node) -> str:
    role = node.get("role")
    if role not in _ROLES:
        raise LineError(f"the role of message {_id(node)} must be prompter or assistant, not {role!r}")
    return str(role)


def _text(node: _Node) -> str:
    text = node.get("text")
    if not isinstance(text, str):
        raise LineError(f"message {_id(node)} has no text")
    return text


def _id(node: _Node) -> str:
    if not (name := field_text(node, "message_id")):
        raise LineError("a message of the tree has no 'message_id'")
    return name
