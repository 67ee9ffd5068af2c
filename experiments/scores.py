"""What a reward model says of texts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from exchange.records import Message
from experiments.runs import BASE, ROOT, Model
from training.engine.layout import Family
from training.engine.models import encode_completion, encode_prompt, load_reward
from training.engine.scoring import score_families


@torch.no_grad()
def scored(judge: Model, asked: Sequence[tuple[tuple[Message, ...], Sequence[str]]]) -> list[list[float]]:
    """The scores of some answers to each prompt."""
    inputs = {"base_model": BASE, "models_dir": str(ROOT / "var" / "models")}
    model, tokenizer = load_reward(inputs, judge or {}, dtype=torch.float32, device=torch.device("cpu"))
    found = []
    for messages, texts in asked:
        family: Family = (encode_prompt(tokenizer, messages), [encode_completion(tokenizer, text) for text in texts])
        found.append(score_families(model, [family])[0].tolist())
    return found
