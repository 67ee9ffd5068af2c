"""How SFT's validation loss falls with tokens, and what a second pass over the same demonstrations does.

python -m experiments.sft_curve path/to/oasst_trees.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.corpus import oasst_snapshot
from experiments.intervals import between
from experiments.runs import Done, trained
from experiments.scores import demonstration_losses
from experiments.table import show

BUDGETS = ((5_000, 1), (10_000, 1), (20_000, 1), (20_000, 2), (40_000, 1))  # tokens, passes
EVAL_TOKENS = 10_000
SEED = 1


def sft(snapshot: Path, tokens: int, epochs: int = 1) -> Done:
    """The run on a budget of tokens a pass. It validates on one demonstration only: all are judged once, below."""
    settings = {"max_train_tokens": tokens, "epochs": epochs, "max_eval_tokens": 1, "seed": SEED}
    return trained(f"sft-{tokens // 1000}k-{epochs}", "sft", snapshot, settings)


def main() -> None:
    """Train from the base model with each budget, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    snapshot = oasst_snapshot(parser.parse_args().trees)
    done = [(tokens, epochs, sft(snapshot, tokens, epochs)) for tokens, epochs in BUDGETS]
    sizes, before = demonstration_losses(None, snapshot, EVAL_TOKENS, seed=SEED)
    rows: list[list[object]] = [["the base model", "", "", _mean(before, sizes), "", "", len(sizes), sum(sizes)]]
    for _, epochs, one in done:
        _, after = demonstration_losses(one.model, snapshot, EVAL_TOKENS, seed=SEED)
        change = [new - old for new, old in zip(after, before, strict=True)]
        rows.append([
            one.summary["train_demonstrations"], epochs, one.summary["train_tokens"], _mean(after, sizes),
            _mean(change, sizes), between(change, weights=sizes), len(sizes), sum(sizes),
        ])  # fmt: skip
    head = ("demonstrations", "passes", "tokens seen", "validation loss", "change", "95 %",
            "validation demonstrations", "their tokens")  # fmt: skip
    show("sft_curve", head, rows, training={one.directory.name: one.curve("loss") for _, _, one in done})


def _mean(losses: list[float], sizes: list[int]) -> float:
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


if __name__ == "__main__":
    main()
