"""What models say of texts, in bf16 as in training: a reward model's scores, a policy's losses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from exchange.records import Message
from experiments.runs import BASE, ROOT, Model
from training.engine import data
from training.engine.dialogues import dialogue_loss
from training.engine.layout import Family
from training.engine.models import encode_completion, encode_prompt, load_policy, load_reward
from training.engine.scoring import score_families

_WHERE: dict[str, Any] = {"base_model": BASE, "models_dir": str(ROOT / "var" / "models")}
_HOW: dict[str, Any] = {"dtype": torch.bfloat16, "device": torch.device("cpu")}


@torch.no_grad()
def scored(judge: Model, asked: Sequence[tuple[tuple[Message, ...], Sequence[str]]]) -> list[list[float]]:
    """The scores of some answers to each prompt."""
    model, tokenizer = load_reward(_WHERE, judge or {}, **_HOW)
    found = []
    for messages, texts in asked:
        family: Family = (encode_prompt(tokenizer, messages), [encode_completion(tokenizer, text) for text in texts])
        found.append(score_families(model, [family])[0].tolist())
    return found


@torch.no_grad()
def demonstration_losses(
    policy: Model, snapshot: Path, budget: int, *, seed: int, max_length: int = 384
) -> tuple[list[int], list[float]]:
    """Learned tokens and mean loss a token of each validation demonstration, as many as `budget` tokens hold."""
    model, tokenizer = load_policy(_WHERE, policy, **_HOW)
    held = data.demonstrations(snapshot, tokenizer, split="valid", max_length=max_length)
    items, _ = data.within_budget(held.items, budget, data.token_count, seed=seed)
    sizes = [sum(item.targets) for item in items]
    losses = [float(dialogue_loss(model, [item], weighted=False)) for item in items]
    return sizes, [loss / size for loss, size in zip(losses, sizes, strict=True)]
