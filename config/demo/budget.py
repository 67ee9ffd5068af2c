"""How much each stage of the demo may do, in one table, and what a data file is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from training.engine.config import PPOSettings, settings_for

_ASK = {"samples_per_prompt": 4, "response_length": 48, "max_prompt_length": 192, "temperature": 1.0, "top_p": 1.0}

# What each stage changes in the `cpu` preset. "ask" is the sample run whose answers simulated labelers rank when the
# data has no rankings; ASKED says how many prompts they are asked about, by split.
BUDGETS: dict[str, dict[str, dict[str, Any]]] = {
    # The whole loop on two cores in less than twenty minutes; slow ones get a part (config.demo.machine).
    "short": {
        "sft": {"max_train_tokens": 40_000, "max_eval_tokens": 8_000},
        "reward": {"max_train_tokens": 50_000, "max_eval_groups": 40, "max_bias_tokens": 4_000},
        "ppo": {"episodes": 192, "eval_prompts": 16},
        "sample": {"prompts_split": "heldout", "max_prompts": 12},
        "ask": _ASK,
    },
    # All data, no stage cut short.
    "full": {
        "sft": {"max_train_tokens": 0, "max_eval_tokens": 0},
        "reward": {"max_train_tokens": 0, "max_eval_groups": 0, "max_bias_tokens": 0},
        "ppo": {"episodes": 1024, "eval_prompts": 64},
        "sample": {"prompts_split": "heldout", "max_prompts": 0},
        "ask": _ASK,
    },
    # Does every part run? Says nothing about learning.
    "smoke": {
        "sft": {"max_train_tokens": 2_000, "max_eval_tokens": 1_000},
        "reward": {"max_train_tokens": 4_000, "max_eval_groups": 4, "max_bias_tokens": 1_000},
        "ppo": {"episodes": 8, "rollout_batch": 4, "minibatch": 4, "response_length": 8, "eval_prompts": 2},
        "sample": {"prompts_split": "heldout", "max_prompts": 3, "response_length": 16},
        "ask": {**_ASK, "samples_per_prompt": 3, "response_length": 16},
    },
}
ASKED = {
    "short": {"train": 56, "valid": 24},
    "full": {"train": 56, "valid": 24},
    "smoke": {"train": 4, "valid": 3},
}

FITTED = "short"  # the budget of which a slow machine gets a part
# What the time of a stage goes with, other than the looks before and after.
_SCALED = ("max_train_tokens", "max_bias_tokens", "episodes")


def scaled(settings: dict[str, Any], share: float) -> dict[str, Any]:
    """A stage's settings with `share` (0 to 1) of what it learns from; 0, no limit, stays. PPO gets whole batches."""
    found = {name: int(value * share) if name in _SCALED else value for name, value in settings.items()}
    if "episodes" in found and share < 1:
        batch = cast(PPOSettings, settings_for("ppo", "cpu")).rollout_batch
        found["episodes"] = max(1, round(settings["episodes"] * share / batch)) * batch
    return found


class UnknownData(Exception):
    """The file is none that the demo can import. The message is one sentence."""


def format_of(path: Path) -> str:
    """The name of a file's import format, told by its name and first line. Raises UnknownData."""
    if not path.is_file():
        raise UnknownData(f"There is no file {path}.")
    if path.suffix in (".csv", ".parquet"):
        return "prompts"
    with path.open("rb") as stream:
        first = stream.readline(10_000_000)
    if not first.strip():
        raise UnknownData(f"{path.name} is empty, or begins with an empty line.")
    try:
        row = json.loads(first)
    except ValueError as error:
        raise UnknownData(f"{path.name} is no JSONL: its first line is not JSON.") from error
    if isinstance(row, dict) and "message_tree_id" in row:
        return "oasst"
    if isinstance(row, dict) and "instances" in row:
        return "self_instruct"
    return "prompts"
