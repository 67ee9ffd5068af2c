"""TRL's side of benchmarks/reward.py, run by its own virtual environment: its RewardTrainer on a prompt's pairs.

TRL is given its faster choices: no gradient checkpointing, no evaluation, no logging, no saving, and six
pairs a pass: all of K = 4, a sixth of K = 9.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

from benchmarks.reward import WARM_UP, peak_memory, ranking
from benchmarks.trl_steps import StepTimes

PAIRS_A_PASS = 6


def main() -> None:
    """Train for some steps of one prompt's pairs each; print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--k", type=int, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    prompt, completions = ranking(options.k)
    pairs = [
        {"chosen_ids": prompt + better, "rejected_ids": prompt + worse}
        for better, worse in itertools.combinations(completions, 2)
    ]
    passes = -(-len(pairs) // PAIRS_A_PASS)
    steps = WARM_UP + options.steps
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    times = StepTimes()
    with tempfile.TemporaryDirectory() as folder:
        trainer = RewardTrainer(
            model=model,
            args=RewardConfig(
                output_dir=folder, per_device_train_batch_size=len(pairs) // passes,
                gradient_accumulation_steps=passes, max_steps=steps, learning_rate=9e-6,
                bf16=options.dtype == "bf16", gradient_checkpointing=False, logging_strategy="no", save_strategy="no",
                report_to=[], use_cpu=True, disable_tqdm=True, max_length=None,
            ),
            train_dataset=Dataset.from_list(pairs * steps),
            processing_class=tokenizer,
            callbacks=[times],
        )  # fmt: skip
        trainer.train()
    seconds = [end - start for start, end in itertools.pairwise(times.ends)]
    if len(seconds) != steps:
        sys.exit(f"TRL made {len(seconds)} steps, not {steps}")
    tokens = sum(len(pair["chosen_ids"]) + len(pair["rejected_ids"]) for pair in pairs)
    figures = {"seconds": statistics.median(seconds[WARM_UP:]), "tokens": tokens, "peak_memory_gib": peak_memory()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
