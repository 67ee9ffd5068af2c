"""How often the reward model orders held-out answers as people did, against the number of rankings it learned from,
with all pairs of a prompt in one batch element and with shuffled pairs (does the paper's overfitting show?).

    python -m experiments.reward_curve path/to/oasst_trees.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.corpus import oasst_snapshot
from experiments.runs import trained
from experiments.table import show

RANKINGS = (20, 40, 80, 160)
SEEDS = (1, 2)


def main() -> None:
    """Train from one SFT model on each number of rankings, in both groupings, with two seeds; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    trees = parser.parse_args().trees
    policy = trained(
        "sft-40k-1", "sft", oasst_snapshot(trees), {"max_train_tokens": 40_000, "max_eval_tokens": 0}
    ).model
    rows = []
    for rankings in RANKINGS:
        snapshot = oasst_snapshot(trees, rankings=rankings)
        for grouping in ("prompt", "pairs"):
            for seed in SEEDS:
                settings = {"grouping": grouping, "seed": seed, "max_train_tokens": 0, "max_eval_groups": 0}
                found = trained(
                    f"reward-{rankings}-{grouping}-{seed}", "reward", snapshot, settings, policy=policy
                ).summary  # fmt: skip
                rows.append([
                    found["train_groups"], found["train_pairs"], grouping, seed, found["train_loss_end"],
                    found["valid_loss"], found["valid_accuracy"],
                    f"{found['valid_accuracy_low']:.3f}–{found['valid_accuracy_high']:.3f}",
                    found["valid_pairs"], found["valid_groups"],
                ])  # fmt: skip
    head = ("rankings", "pairs", "grouping", "seed", "training loss, last quarter", "held-out loss", "accuracy",
            "95 %", "pairs held out", "rankings held out")  # fmt: skip
    show("reward_curve", head, rows)


if __name__ == "__main__":
    main()
