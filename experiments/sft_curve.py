"""How SFT's validation loss falls with tokens, and when more passes over the same demonstrations overfit.

python -m experiments.sft_curve path/to/oasst_trees.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.corpus import oasst_snapshot
from experiments.runs import trained
from experiments.table import show

TOKENS = (5_000, 10_000, 20_000, 40_000, 80_000)
EPOCHS = (2, 4)  # passes over the 20,000 tokens


def main() -> None:
    """Train from the base model with each budget, then some with several passes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", type=Path)
    snapshot = oasst_snapshot(parser.parse_args().trees)
    rows = []
    for tokens, epochs in [(tokens, 1) for tokens in TOKENS] + [(20_000, epochs) for epochs in EPOCHS]:
        settings = {"max_train_tokens": tokens, "epochs": epochs, "max_eval_tokens": 0}
        found = trained(f"sft-{tokens // 1000}k-{epochs}", "sft", snapshot, settings).summary
        rows.append([
            found["train_demonstrations"], epochs, found["train_tokens"], found["valid_loss_before"],
            found["valid_loss_after"], found["valid_tokens"],
        ])  # fmt: skip
    head = ("demonstrations", "passes", "tokens seen", "loss before", "loss after", "validation tokens")
    show("sft_curve", head, rows)


if __name__ == "__main__":
    main()
