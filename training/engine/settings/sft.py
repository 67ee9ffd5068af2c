"""What can be set in supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import fields


@dataclass(frozen=True)
class SFTSettings:
    """Supervised fine-tuning on demonstrations (IG section 3.5 and appendix C.1)."""

    seed: int = fields.seed()
    dtype: str = fields.dtype()
    save_minutes: float = fields.save_minutes()
    sharding: str = fields.sharding()
    epochs: int = fields.setting(16, "Passes over the demonstrations.", source="IG C.1", minimum=1, maximum=1000)
    batch_size: int = fields.setting(32, "Demonstrations a step.", source="IG C.1", minimum=1, maximum=65_536)
    learning_rate: float = fields.setting(
        9.65e-6, "AdamW's peak; falls along a cosine to a tenth.", source="IG C.1", minimum=1e-9, maximum=1.0
    )
    warmup_steps: int = fields.setting(0, "Steps of linear warm-up.", source="IG C.1: none", minimum=0, maximum=10**6)
    weight_decay: float = fields.weight_decay()
    dropout: float = fields.setting(
        0.2,
        "Dropout in the places the architecture has (Llama: attention).",
        source="IG C.1",
        minimum=0.0,
        maximum=0.9,
    )
    max_grad_norm: float = fields.max_grad_norm()
    lora_rank: int = fields.lora_rank()
    lora_alpha: float = fields.lora_alpha()
    loss_on: str = fields.setting(
        "last", "What of a dialogue is learned: the demonstration, or what the assistant said in earlier turns too.",
        choices=("last", "all"),
    )  # fmt: skip
    pretrain_share: float = fields.setting(
        0.0, "Share of pretraining text in the loss; for a policy on its way to PPO.",
        source="IG C.3: 10% for the start of PPO, else none", minimum=0.0, maximum=0.9,
    )  # fmt: skip
    pretrain_length: int = fields.setting(
        512, "Tokens of a row of pretraining text.", source="IG C: context of 2k tokens", minimum=2, maximum=131_072
    )
    select: str = fields.setting(
        "last", "Which checkpoint is kept: the last, or that of the best validation loss or reward.",
        source="IG C.1: reward", choices=("last", "loss", "reward"),
    )  # fmt: skip
    eval_steps: int = fields.setting(
        0, "Steps between two validations; 0 is an epoch where they select, else none.", minimum=0, maximum=10**9
    )
    eval_prompts: int = fields.setting(
        64, "Validation prompts that are answered for the reward.", minimum=1, maximum=10**6
    )
    response_length: int = fields.setting(
        256, "Longest answer for the reward, in tokens.", source="IG C: 1k tokens", minimum=1, maximum=65_536
    )
    max_length: int = fields.max_length()
    micro_tokens: int = fields.micro_tokens()
    recompute: str = fields.recompute()
    max_train_tokens: int = fields.budget("the training demonstrations in one epoch")
    max_eval_tokens: int = fields.budget("the validation demonstrations")


# A smaller model than the paper's 1.3B needs a larger step; few data and one or two epochs need it larger still.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"epochs": 3, "learning_rate": 2e-5, "dropout": 0.0, "max_length": 1024},
    "cpu": {
        "epochs": 1, "batch_size": 8, "learning_rate": 4e-5, "dropout": 0.0, "max_length": 384,
        "micro_tokens": 1024, "max_train_tokens": 40_000, "max_eval_tokens": 8_000, "eval_prompts": 8,
        "response_length": 48,
    },
}  # fmt: skip
