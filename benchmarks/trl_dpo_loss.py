"""The loss of TRL's DPOTrainer on a file of preferences, run by its own virtual environment: an oracle for ours.

    var/bench/trl/bin/python benchmarks/trl_dpo_loss.py POLICY REFERENCE FILE BETA

Models are folders with a tokenizer, the file has a JSON object a line with prompt, chosen and rejected as text. Prints
as JSON the mean loss of all pairs in one batch, in float64, and the L2 norm of its gradient.
"""

from __future__ import annotations

import json
import sys
import tempfile

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer


def main(policy: str, reference: str, file: str, beta: float) -> None:
    """One batch of the whole file through the trainer's own preparation, collator and loss."""
    tokenizer = AutoTokenizer.from_pretrained(policy)
    model, frozen = (AutoModelForCausalLM.from_pretrained(one, dtype=torch.float64) for one in (policy, reference))
    pairs = load_dataset("json", data_files=file, split="train")
    with tempfile.TemporaryDirectory() as folder:
        arguments = DPOConfig(
            output_dir=folder, per_device_train_batch_size=len(pairs), beta=beta, max_length=None, use_cpu=True,
            bf16=False, disable_dropout=True, report_to=[], disable_tqdm=True, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = DPOTrainer(
            model=model, ref_model=frozen, args=arguments, train_dataset=pairs, processing_class=tokenizer
        )
        [batch] = list(trainer.get_train_dataloader())
        loss = trainer.compute_loss(trainer.model, batch)
        loss.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in trainer.model.parameters() if p.grad is not None])
    print(json.dumps({"loss": loss.item(), "norm": norm.item(), "pairs": len(pairs)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
