"""What can be set in direct preference optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import fields

_DPO = "Rafailov et al. 2023 (2305.18290), appendix B"


@dataclass(frozen=True)
class DPOSettings:
    """DPO over all K-choose-2 pairs of a prompt: the policy learns from rankings without a reward model."""

    seed: int = fields.seed()
    dtype: str = fields.dtype()
    save_minutes: float = fields.save_minutes()
    sharding: str = fields.sharding()
    epochs: int = fields.setting(1, "Passes over the ranking groups.", source=_DPO, minimum=1, maximum=100)
    batch_prompts: int = fields.setting(64, "Ranking groups a step.", source=_DPO, minimum=1, maximum=65_536)
    learning_rate: float = fields.setting(
        1e-6, "AdamW's peak; falls along a cosine to a tenth.", source=f"{_DPO}, there RMSprop's and constant",
        minimum=1e-9, maximum=1.0,
    )  # fmt: skip
    warmup_steps: int = fields.setting(150, "Steps of linear warm-up.", source=_DPO, minimum=0, maximum=10**6)
    weight_decay: float = fields.weight_decay()
    max_grad_norm: float = fields.max_grad_norm()
    lora_rank: int = fields.lora_rank()
    lora_alpha: float = fields.lora_alpha()
    beta: float = fields.setting(
        0.1, "How dear it is to leave the reference: an implicit reward is β · log π/π_ref.", source=_DPO,
        minimum=1e-4, maximum=1000.0,
    )  # fmt: skip
    ties: str = fields.setting(
        "drop", "What a tie teaches: nothing (drop) or equal rewards (half).", source="IG 3.5, of the reward model",
        choices=("drop", "half"),
    )  # fmt: skip
    max_length: int = fields.max_length()
    micro_tokens: int = fields.micro_tokens()
    recompute: str = fields.recompute()
    max_train_tokens: int = fields.budget("the training groups in one epoch, each prompt counted once")
    max_eval_groups: int = fields.setting(0, "Most validation groups; 0 is no limit.", minimum=0, maximum=10**9)
    eval_prompts: int = fields.setting(
        256, "Validation prompts answered at the end, for the KL to the reference; 0 is none.",
        source="not in the paper", minimum=0, maximum=10**6,
    )  # fmt: skip
    response_length: int = fields.setting(
        256, "Longest answer for the KL, in tokens.", source="IG C: 1k tokens", minimum=1, maximum=65_536
    )


# A smaller model than the papers' needs a larger step; few data and one or two epochs need it larger still.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"batch_prompts": 32, "learning_rate": 5e-6, "warmup_steps": 10, "max_length": 1024},
    "cpu": {
        "batch_prompts": 4, "learning_rate": 1e-5, "warmup_steps": 2, "max_length": 512, "micro_tokens": 1024,
        "max_train_tokens": 60_000, "max_eval_groups": 40, "eval_prompts": 16, "response_length": 48,
    },
}  # fmt: skip
