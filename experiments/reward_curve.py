"""How often the reward model orders held-out answers as people did, against the number of rankings it learned from,
with all pairs of a prompt in one batch element and with shuffled pairs (does the paper's overfitting show?).

    python -m experiments.reward_curve path/to/oasst_trees.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from experiments.corpus import oasst_snapshot
from experiments.runs import Done, Model, trained
from experiments.sft_curve import sft
from experiments.table import show

SIZES = ((0, 1, 1), (9_000, 1, 1))  # most tokens of rankings (0: all), passes, seed


def reward(snapshot: Path, policy: Model, tokens: int, epochs: int, grouping: str, seed: int) -> Done:
    """The reward model on a budget of rankings."""
    settings = {"grouping": grouping, "seed": seed, "epochs": epochs, "max_train_tokens": tokens,
                "max_eval_groups": 0, "max_length": 320}  # fmt: skip
    return trained(f"reward-{tokens // 1000}k-{epochs}-{grouping}-{seed}", "reward", snapshot, settings, policy=policy)


def main() -> None:
    """Train from one SFT model on each number of rankings, in both groupings; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    snapshot = oasst_snapshot(parser.parse_args().trees)
    policy = sft(snapshot, 40_000).model
    rows: list[list[Any]] = []
    by_k: list[list[Any]] = []
    for tokens, epochs, seed in SIZES:
        for grouping in ("prompt", "pairs"):
            found = reward(snapshot, policy, tokens, epochs, grouping, seed).summary
            name = [found["train_groups"], found["train_pairs"], grouping, epochs, seed]
            rows.append([
                *name, found["train_loss_start"], found["train_loss_end"], found["valid_loss"],
                found["valid_accuracy"], f"{found['valid_accuracy_low']:.3f} to {found['valid_accuracy_high']:.3f}",
                found["valid_pairs"], found["valid_groups"],
            ])  # fmt: skip
            by_k += [
                [*name, int(row["label"]), row["accuracy"],
                 f"{row['low']:.3f} to {row['high']:.3f}" if "low" in row else "", row["pairs"], row["groups"]]
                for row in found["tables"]["answers"]
            ]  # fmt: skip
            tell(rows, by_k)


def tell(rows: list[list[Any]], by_k: list[list[Any]]) -> None:
    """Print the tables as far as they are."""
    head = ("rankings", "pairs", "grouping", "passes", "seed")
    tail = ("accuracy", "95 %", "pairs held out", "rankings held out")
    losses = ("training loss, first quarter", "last quarter", "held-out loss")
    show("reward_curve", (*head, *losses, *tail), rows)
    show("reward_curve_by_k", (*head, "K", *tail), by_k)


if __name__ == "__main__":
    main()
