"""How often the reward model orders held-out answers as people did, against the number of rankings it learned from,
with all pairs of a prompt in one batch element and with shuffled pairs (does the paper's overfitting show?).

    python -m experiments.reward_curve path/to/oasst_trees.jsonl
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

from experiments.corpus import oasst_snapshot
from experiments.runs import Done, Model, trained
from experiments.sft_curve import sft
from experiments.table import show

SIZES = (5_000, 1), (10_000, 1), (20_000, 1), (0, 1)  # most tokens of rankings (0: all), passes
SEEDS = (1, 2)  # of the head, the order and which rankings a budget takes
GROUPINGS = ("prompt", "pairs")
LENGTH = 512  # most tokens of a completion with its prompt


def reward(
    snapshot: Path, policy: Model, tokens: int, epochs: int, grouping: str, seed: int, length: int = 320
) -> Done:
    """The reward model on a budget of rankings."""
    settings = {"grouping": grouping, "seed": seed, "epochs": epochs, "max_train_tokens": tokens,
                "max_eval_groups": 0, "max_length": length}  # fmt: skip
    return trained(f"reward-{tokens // 1000}k-{epochs}-{grouping}-{seed}", "reward", snapshot, settings, policy=policy)


def main() -> None:
    """Train from one SFT model on each number of rankings, with each seed in both groupings; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    snapshot = oasst_snapshot(parser.parse_args().trees)
    policy = sft(snapshot, 40_000).model
    rows: list[list[Any]] = []
    by_k: list[list[Any]] = []
    for tokens, epochs in SIZES:
        for seed, grouping in itertools.product(SEEDS, GROUPINGS):
            found = reward(snapshot, policy, tokens, epochs, grouping, seed, LENGTH).summary
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
        over_seeds(rows)


def over_seeds(rows: list[list[Any]]) -> None:
    """For each size and number of passes: the means of the seeds with their range, and shuffled less together."""
    table = []
    for start in range(0, len(rows), len(SEEDS) * len(GROUPINGS)):
        some = rows[start : start + len(SEEDS) * len(GROUPINGS)]
        told: list[Any] = [some[0][0], some[0][1], some[0][3]]
        for column in (8, 7):  # accuracy, held-out loss
            together, shuffled = ([row[column] for row in some if row[2] == grouping] for grouping in GROUPINGS)
            told += [_spread(together), _spread(shuffled)]
            told.append(_spread([b - a for a, b in zip(together, shuffled, strict=True)]))
        table.append(told)
    names = ("together", "shuffled", "shuffled less together, same seed")
    head = ("rankings", "pairs", "passes", *(f"{of}, {one}" for of in ("accuracy", "held-out loss") for one in names))
    show("reward_curve_over_seeds", head, table)


def _spread(values: list[float]) -> str:
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def tell(rows: list[list[Any]], by_k: list[list[Any]]) -> None:
    """Print the tables as far as they are."""
    head = ("rankings", "pairs", "grouping", "passes", "seed")
    tail = ("accuracy", "95 %", "pairs held out", "rankings held out")
    losses = ("training loss, first quarter", "last quarter", "held-out loss")
    show("reward_curve", (*head, *losses, *tail), rows)
    show("reward_curve_by_k", (*head, "K", *tail), by_k)


if __name__ == "__main__":
    main()
