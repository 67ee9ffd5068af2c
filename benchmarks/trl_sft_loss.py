"""The loss of TRL's SFTTrainer on token ids with a mask, run by its own virtual environment: an oracle for ours.

    var/bench/trl/bin/python benchmarks/trl_sft_loss.py MODEL FILE

The model is a folder with a tokenizer, the file has a JSON object a line with input_ids and completion_mask. Prints as
JSON the mean loss of all learned tokens in one batch, in float64, and the L2 norm of its gradient.
"""

from __future__ import annotations

import json
import sys
import tempfile

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main(model: str, file: str) -> None:
    """One batch of the whole file through the trainer's own preparation, collator and loss."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float64)
    rows = load_dataset("json", data_files=file, split="train")
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder, per_device_train_batch_size=len(rows), max_length=None, packing=False, use_cpu=True,
            bf16=False, completion_only_loss=True, report_to=[], disable_tqdm=True, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = SFTTrainer(model=policy, args=arguments, train_dataset=rows, processing_class=tokenizer)
        [batch] = list(trainer.get_train_dataloader())
        loss = trainer.compute_loss(trainer.model, batch)
        loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in trainer.model.parameters() if p.grad is not None])
    print(json.dumps({"loss": loss.item(), "norm": norm.item(), "rows": len(rows)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
