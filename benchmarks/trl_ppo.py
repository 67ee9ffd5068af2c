"""TRL's side of benchmarks/ppo.py, run by its own virtual environment: its PPOTrainer on the same prompts.

TRL is given its faster choices: one rollout and one training pass of the whole batch, no gradient checkpointing, no
sample generations, no logging, no saving. With --usual it chooses gradient checkpointing itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)
from trl import PPOConfig, PPOTrainer
from trl.trainer import ppo_trainer

from benchmarks.ppo import ANSWER, BATCH, ENDS, WARM_UP, bend, prompts
from benchmarks.reward import peak_memory
from benchmarks.trl_steps import StepTimes


def main() -> None:
    """Train for some updates; print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--length", required=True)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--usual", action="store_true")
    options = parser.parse_args()
    updates = WARM_UP + options.iterations
    # A newer transformers wrote the folder, in words that this one does not know.
    config = AutoConfig.from_pretrained(options.model)
    config.rope_theta = config.rope_parameters["rope_theta"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(options.model) / "tokenizer.json"))
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(config.eos_token_id)
    tokenizer.pad_token_id = 0  # not the end token; no prompt has it
    loading = {"config": config, "dtype": torch.float32}
    policy, reference = (AutoModelForCausalLM.from_pretrained(options.model, **loading) for _ in range(2))
    config.num_labels = 1
    reward, value = (AutoModelForSequenceClassification.from_pretrained(options.model, **loading) for _ in range(2))
    for model in (policy, reference):
        bend(model.get_output_embeddings(), tokenizer.eos_token_id, ENDS[options.length])
    for model in (reward, value):
        model.config.pad_token_id = tokenizer.pad_token_id
    lengths: list[float] = []
    usual = ppo_trainer.truncate_response

    def truncate(stop: int, pad: int, responses: torch.Tensor) -> torch.Tensor:
        done = usual(stop, pad, responses)
        lengths.append(float((done != pad).sum(1).float().mean()))
        return done

    ppo_trainer.truncate_response = truncate
    times = StepTimes()
    rows = [ids for number in range(updates) for ids in prompts(number)]
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            args=PPOConfig(
                output_dir=folder, per_device_train_batch_size=BATCH, gradient_accumulation_steps=1,
                num_mini_batches=1, num_ppo_epochs=1, local_rollout_forward_batch_size=BATCH, total_episodes=len(rows),
                response_length=ANSWER, stop_token="eos", missing_eos_penalty=1.0, num_sample_generations=0,
                learning_rate=1e-6, bf16=options.dtype == "bf16",
                logging_strategy="no", save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
                **({} if options.usual else {"gradient_checkpointing": False}),
            ),
            processing_class=tokenizer,
            model=policy,
            ref_model=reference,
            reward_model=reward,
            value_model=value,
            train_dataset=Dataset.from_dict({"input_ids": rows}),
            eval_dataset=Dataset.from_dict({"input_ids": rows[:BATCH]}),
            callbacks=[times],
        )  # fmt: skip
        trainer.train()
    seconds = [end - start for start, end in itertools.pairwise(times.ends)]
    if len(seconds) != updates:
        sys.exit(f"TRL made {len(seconds)} updates, not {updates}")
    figures = {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "answer": statistics.fmean(lengths[WARM_UP:]),
        "peak_memory_gib": peak_memory(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
