"""TRL's side of benchmarks/sft.py, run by its own virtual environment: its SFTTrainer on the same dialogues.

TRL is given its faster choices: no gradient checkpointing, no evaluation, no saving, all eight dialogues of a step in
one padded batch, and the loss on the completions alone. With --usual it chooses gradient checkpointing itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from benchmarks.reward import peak_memory
from benchmarks.sft import BATCH, RATE, WARM_UP, batches
from benchmarks.trl_steps import StepTimes


def main() -> None:
    """Train for some steps; print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--usual", action="store_true")
    options = parser.parse_args()
    steps = WARM_UP + options.steps
    data = batches(steps)
    rows = [
        {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}
        for batch in data
        for prompt, completion in batch
    ]
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    times = StepTimes()
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=folder, per_device_train_batch_size=BATCH, max_steps=steps, learning_rate=RATE,
                lr_scheduler_type="constant", adam_beta1=0.9, adam_beta2=0.95, weight_decay=0.0, max_grad_norm=1.0,
                bf16=options.dtype == "bf16", logging_steps=1, save_strategy="no",
                report_to=[], use_cpu=True, disable_tqdm=True, max_length=None, packing=False,
                completion_only_loss=True, train_sampling_strategy="sequential",
                **({} if options.usual else {"gradient_checkpointing": False}),
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[times],
        )  # fmt: skip
        trainer.train()
    seconds = [end - start for start, end in itertools.pairwise(times.ends)]
    if len(seconds) != steps:
        sys.exit(f"TRL made {len(seconds)} steps, not {steps}")
    figures = {
        "seconds": sum(seconds[WARM_UP:]),
        "tokens": sum(len(prompt) + len(completion) for batch in data[WARM_UP:] for prompt, completion in batch),
        "loss": times.losses[-1],
        "losses": times.losses,
        "peak_memory_gib": peak_memory(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
