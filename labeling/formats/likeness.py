"""What a line looks like that is not of the chosen format: the end of its refusal says which one to choose instead."""

from __future__ import annotations

from labeling.formats.names import NAMES

TREE_KEYS = frozenset({"message_tree_id", "prompt"})
TASK_KEYS = frozenset({"id", "instruction", "instances"})


def other_format(value: object, chosen: str) -> str:
    """ "; the line looks like …: choose the format …", or nothing where the line is like no other format."""
    name, like = _like(value)
    return (
        f"; the line looks like {like}: choose the format '{NAMES[name]}', {name}" if name not in ("", chosen) else ""
    )


def _like(value: object) -> tuple[str, str]:
    given = {"prompt": value} if isinstance(value, str) else value
    if isinstance(given, dict):
        if given.keys() >= TREE_KEYS and isinstance(given["prompt"], dict):
            return "oasst", "an Open-Assistant message tree"
        if given.keys() >= TASK_KEYS:
            return "self_instruct", "a Self-Instruct task"
        # With a role it is a single message of a dialogue, such as Open-Assistant publishes too: half of them answers.
        if "role" not in given and any(isinstance(given.get(name), str) for name in ("prompt", "text")):
            return "prompts", "a plain prompt"
    return "", ""
