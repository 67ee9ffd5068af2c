"""The loss of TRL's RewardTrainer on a file of preferences, run by its own virtual environment: an oracle for ours.

    var/bench/trl/bin/python benchmarks/trl_loss.py MODEL FILE CENTRING …

The model is a folder with a tokenizer, the file as training/engine/preferences.py writes it. Prints as JSON, for each
centring coefficient, the mean loss of all pairs in one batch, in float64, and the L2 norm of its gradient.
"""

from __future__ import annotations

import json
import sys
import tempfile

import torch
from datasets import load_dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer


def main(model: str, file: str, centrings: list[float]) -> None:
    """One batch of the whole file through the trainer's own preparation, collator and loss."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    scorer = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float64)
    pairs = load_dataset("json", data_files=file, split="train")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        arguments = RewardConfig(
            output_dir=folder, per_device_train_batch_size=len(pairs), max_length=None, use_cpu=True, bf16=False,
            disable_dropout=True, report_to=[], disable_tqdm=True, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = RewardTrainer(model=scorer, args=arguments, train_dataset=pairs, processing_class=tokenizer)
        [batch] = list(trainer.get_train_dataloader())
        for centring in centrings:
            trainer.args.center_rewards_coefficient = centring or None
            trainer.model.zero_grad()
            loss = trainer.compute_loss(trainer.model, batch)
            loss.backward()
            gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
            found.append({"loss": loss.item(), "norm": norm.item(), "pairs": len(pairs)})
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [float(value) for value in sys.argv[3:]])
