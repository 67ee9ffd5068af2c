"""What can be set in PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import common


@dataclass(frozen=True)
class PPOSettings:
    """PPO against the reward model with a per-token KL to the SFT policy (IG section 3.5, eq. 2, and appendix C.4)."""

    seed: int = common.seed()
    dtype: str = common.dtype()
    save_minutes: float = common.save_minutes()
    episodes: int = common.setting(256_000, "Answers sampled in all.", source="IG C.4", minimum=1, maximum=10**9)
    rollout_batch: int = common.setting(
        512, "Answers sampled an iteration.", source="IG C.4", minimum=1, maximum=65_536
    )
    minibatch: int = common.setting(64, "Answers an optimizer step.", source="IG C.4", minimum=1, maximum=65_536)
    inner_epochs: int = common.setting(1, "Passes over each rollout batch.", source="IG C.4", minimum=1, maximum=64)
    response_length: int = common.setting(
        1024, "Longest sampled answer, in tokens.", source="IG C: 1k tokens", minimum=1, maximum=65_536
    )
    max_prompt_length: int = common.setting(
        1000, "Longest prompt, in tokens; longer ones are left out and counted.", source="IG A.3", minimum=1,
        maximum=131_072,
    )  # fmt: skip
    learning_rate: float = common.setting(
        5e-6, "Policy's AdamW peak, after warm-up.", source="IG C.4: swept; above 8.05e-6 diverged without ptx",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    value_learning_rate: float = common.setting(
        9e-6, "Value model's AdamW peak.", source="IG C.4", minimum=0.0, maximum=1.0
    )
    warmup_iterations: int = common.setting(
        10, "Iterations of linear warm-up from a tenth.", source="IG C.4", minimum=0, maximum=10**6
    )
    kl_beta: float = common.setting(
        0.02, "Price of a nat of KL to the SFT policy.", source="IG C.4: fixed", minimum=0.0, maximum=1000.0
    )
    clip_ratio: float = common.setting(0.2, "PPO's clip of the ratio.", source="IG C.4", minimum=0.001, maximum=10.0)
    value_clip: float = common.setting(
        0.2, "Clip of the value's change.", source="Ziegler et al. 2019", minimum=0.001, maximum=1e6
    )
    gamma: float = common.setting(1.0, "Discount.", source="IG C.4", minimum=0.0, maximum=1.0)
    gae_lambda: float = common.setting(
        0.95, "Generalised advantage estimation's λ.", source="Stiennon et al. 2020", minimum=0.0, maximum=1.0
    )
    temperature: float = common.setting(1.0, "Rollout temperature.", source="IG C.4", minimum=0.01, maximum=10.0)
    missing_eos_penalty: float = common.setting(
        1.0, "Subtracted from the score of an answer that does not end by itself.", source=common.N_PLUS, minimum=0.0,
        maximum=1000.0,
    )  # fmt: skip
    max_grad_norm: float = common.max_grad_norm()
    micro_tokens: int = common.micro_tokens()
    eval_prompts: int = common.setting(
        256, "Validation prompts answered before and after.", source="not in the paper", minimum=0, maximum=10**6
    )


# A smaller model than the paper's 1.3B needs a larger step; few data and one or two epochs need it larger still.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "episodes": 20_000, "rollout_batch": 128, "minibatch": 32, "response_length": 256, "max_prompt_length": 512,
    },
    "cpu": {
        "episodes": 192, "rollout_batch": 32, "minibatch": 8, "response_length": 48, "max_prompt_length": 128,
        "warmup_iterations": 1, "kl_beta": 0.05, "learning_rate": 4e-5, "value_learning_rate": 4e-5,
        "micro_tokens": 1024, "eval_prompts": 16,
    },
}  # fmt: skip
