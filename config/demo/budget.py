"""How much each stage of the demo may do, in one table, and what a data file is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# What differs from the `cpu` preset, so that the whole loop ends in time on two cores. "ask" is the sample run whose
# answers simulated labelers rank when the data has no rankings.
SHORT: dict[str, dict[str, Any]] = {
    "sft": {"max_train_tokens": 40_000, "max_eval_tokens": 8_000},
    "reward": {"max_train_tokens": 50_000, "max_eval_groups": 40, "max_bias_tokens": 4_000},
    "ppo": {"episodes": 192, "eval_prompts": 16},
    "sample": {"prompts_split": "heldout", "max_prompts": 12},
    "ask": {
        "samples_per_prompt": 4,
        "response_length": 48,
        "max_prompt_length": 192,
        "temperature": 1.0,
        "top_p": 1.0,
    },
}
# Most prompts that the simulated labelers are asked about, by split.
ASKED = {"train": 56, "valid": 24}

# DEMO_BUDGET=full: everything there is, and no stage cut short.
FULL: dict[str, dict[str, Any]] = {
    "sft": {"max_train_tokens": 0, "max_eval_tokens": 0},
    "reward": {"max_train_tokens": 0, "max_eval_groups": 0, "max_bias_tokens": 0},
    "ppo": {"episodes": 1024, "eval_prompts": 64},
    "sample": {"prompts_split": "heldout", "max_prompts": 0},
    "ask": SHORT["ask"],
}


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
