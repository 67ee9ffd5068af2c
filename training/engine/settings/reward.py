"""What can be set in the reward model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import common


@dataclass(frozen=True)
class RewardSettings:
    """The reward model over all K-choose-2 pairs of a prompt (IG section 3.5, eq. 1, and appendix C.2)."""

    seed: int = common.seed()
    dtype: str = common.dtype()
    save_minutes: float = common.save_minutes()
    epochs: int = common.setting(
        1, "Passes over the ranking groups.", source="IG C.2: more overfit", minimum=1, maximum=100
    )
    batch_prompts: int = common.setting(64, "Ranking groups a step.", source="IG C.2", minimum=1, maximum=65_536)
    learning_rate: float = common.setting(
        9e-6, "AdamW's peak; falls along a cosine to a tenth.", source="IG C.2", minimum=1e-9, maximum=1.0
    )
    warmup_steps: int = common.setting(0, "Steps of linear warm-up.", minimum=0, maximum=10**6)
    weight_decay: float = common.weight_decay()
    max_grad_norm: float = common.max_grad_norm()
    ties: str = common.setting(
        "drop", "What a tie teaches: nothing (drop) or equal scores (half).", source="IG 3.5: dropped",
        choices=("drop", "half"),
    )  # fmt: skip
    layout: str = common.setting(
        "prefix", "Forward each prompt once for all its completions (prefix), or once for each (rows).",
        source="equal results; prefix is faster", choices=("prefix", "rows"),
    )  # fmt: skip
    max_length: int = common.max_length()
    micro_tokens: int = common.micro_tokens()
    max_train_tokens: int = common.budget("the training groups in one epoch, each prompt counted once")
    max_eval_groups: int = common.setting(0, "Most validation groups; 0 is no limit.", minimum=0, maximum=10**9)
    max_bias_tokens: int = common.budget("the demonstrations whose mean score the bias sets to 0")


# A smaller model than the paper's 1.3B needs a larger step; few data and one or two epochs need it larger still.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {"batch_prompts": 32, "learning_rate": 2e-5, "max_length": 1024},
    "cpu": {
        "batch_prompts": 4, "learning_rate": 4e-5, "max_length": 512, "micro_tokens": 1024,
        "max_train_tokens": 60_000, "max_eval_groups": 40, "max_bias_tokens": 4_000,
    },
}  # fmt: skip
