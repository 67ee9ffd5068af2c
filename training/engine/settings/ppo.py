"""What can be set in PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.engine.settings import fields

_LMHP = "Ziegler et al. 2019"


@dataclass(frozen=True)
class PPOSettings:
    """PPO against the reward model with a per-token KL to the SFT policy (IG section 3.5, eq. 2, and appendix C.4)."""

    seed: int = fields.seed()
    dtype: str = fields.dtype()
    save_minutes: float = fields.save_minutes()
    sharding: str = fields.sharding()
    episodes: int = fields.setting(256_000, "Answers sampled in all.", source="IG C.4", minimum=1, maximum=10**9)
    rollout_batch: int = fields.setting(
        512, "Answers sampled an iteration.", source="IG C.4", minimum=1, maximum=65_536
    )
    minibatch: int = fields.setting(64, "Answers an optimizer step.", source="IG C.4", minimum=1, maximum=65_536)
    inner_epochs: int = fields.setting(1, "Passes over each rollout batch.", source="IG C.4", minimum=1, maximum=64)
    samples_per_prompt: int = fields.setting(
        1, "Answers to each prompt of an iteration.", source="IG C.4: one", minimum=1, maximum=1024
    )
    response_length: int = fields.setting(
        1024, "Longest sampled answer, in tokens.", source="IG C: 1k tokens", minimum=1, maximum=65_536
    )
    max_prompt_length: int = fields.setting(
        1000, "Longest prompt, in tokens; longer ones are left out and counted.", source="IG A.3", minimum=1,
        maximum=131_072,
    )  # fmt: skip
    learning_rate: float = fields.setting(
        5e-6, "Policy's AdamW peak, after warm-up.", source="IG C.4: swept; above 8.05e-6 diverged without ptx",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    value_learning_rate: float = fields.setting(
        9e-6, "Value model's AdamW peak.", source="IG C.4", minimum=0.0, maximum=1.0
    )
    warmup_iterations: int = fields.setting(
        10, "Iterations of linear warm-up from a tenth.", source="IG C.4", minimum=0, maximum=10**6
    )
    reward: str = fields.setting(
        "model", "Who judges: the reward model, or a rule that compares an answer's result with the prompt's own.",
        source="IG 3.5: model", choices=("model", "rule"),
    )  # fmt: skip
    kl_beta: float = fields.setting(
        0.02, "Price of a nat of KL to the SFT policy; with adaptive control where it begins.", source="IG C.4",
        minimum=0.0, maximum=1000.0,
    )  # fmt: skip
    kl_control: str = fields.setting(
        "fixed",
        "Leave β as it is, or steer it towards kl_target.",
        source="IG C.4: fixed",
        choices=("fixed", "adaptive"),
    )
    kl_target: float = fields.setting(
        6.0, "Nats of KL an answer that adaptive control aims at.", source=_LMHP, minimum=1e-6, maximum=1e6
    )
    kl_horizon: float = fields.setting(
        10_000.0, "Answers over which adaptive control corrects β.", source=_LMHP, minimum=1.0, maximum=1e12
    )
    kl_stop: float = fields.setting(
        0.0, "Most KL, in nats a token, between the policy that sampled and a minibatch's; beyond it the iteration's "
        "other steps are left out. 0 is no limit.", source="not in the paper", minimum=0.0, maximum=1000.0,
    )  # fmt: skip
    clip_ratio: float = fields.setting(0.2, "PPO's clip of the ratio.", source="IG C.4", minimum=0.001, maximum=10.0)
    value_clip: float = fields.setting(0.2, "Clip of the value's change.", source=_LMHP, minimum=0.001, maximum=1e6)
    value: str = fields.setting(
        "own", "The value: a model of its own from the reward model, or a head on the policy, at half the cost.",
        source="IG C.4: own", choices=("own", "trunk"),
    )  # fmt: skip
    value_coefficient: float = fields.setting(
        0.1, "Weight of the value loss on a shared trunk; a value model of its own has an Adam of its own.",
        source=_LMHP, minimum=0.0, maximum=1000.0,
    )  # fmt: skip
    whiten_rewards: str = fields.setting(
        "off", "Divide the rewards of tokens by their standard deviation.", source="Ziegler et al. 2019: on",
        choices=("off", "on"),
    )  # fmt: skip
    whiten_advantages: str = fields.setting(
        "on", "Shift and scale the advantages to mean 0 and variance 1.", source=fields.N_PLUS, choices=("off", "on")
    )
    gamma: float = fields.setting(1.0, "Discount.", source="IG C.4", minimum=0.0, maximum=1.0)
    gae_lambda: float = fields.setting(
        0.95, "Generalised advantage estimation's λ.", source="Stiennon et al. 2020", minimum=0.0, maximum=1.0
    )
    temperature: float = fields.setting(1.0, "Rollout temperature.", source="IG C.4", minimum=0.01, maximum=10.0)
    missing_eos_penalty: float = fields.setting(
        1.0, "Subtracted from the score of an answer that does not end by itself.", source=fields.N_PLUS, minimum=0.0,
        maximum=1000.0,
    )  # fmt: skip
    ptx_gamma: float = fields.setting(
        0.0, "Weight of the pretraining loss, per token, beside PPO's (PPO-ptx); 0 is PPO.",
        source="IG C.4: 27.8 for PPO-ptx, 0 for PPO", minimum=0.0, maximum=1e6,
    )  # fmt: skip
    ptx_examples: int = fields.setting(
        8, "Pretraining examples for each answer.", source="IG C.4", minimum=1, maximum=1024
    )
    ptx_length: int = fields.setting(
        2048, "Tokens of a pretraining example.", source="IG C: context of 2k tokens", minimum=2, maximum=131_072
    )
    ema_decay: float = fields.setting(
        0.992, "Decay a step of the moving average of the weights that becomes the checkpoint; 0 saves the last ones.",
        source="IG C.4", minimum=0.0, maximum=0.999999,
    )  # fmt: skip
    lora_rank: int = fields.lora_rank()
    lora_alpha: float = fields.lora_alpha()
    max_grad_norm: float = fields.max_grad_norm()
    micro_tokens: int = fields.micro_tokens()
    eval_prompts: int = fields.setting(
        256, "Validation prompts answered before and after.", source="not in the paper", minimum=0, maximum=10**6
    )
    eval_every: int = fields.setting(
        0, "Iterations between two evaluations; 0 evaluates before and after only.", source="not in the paper",
        minimum=0, maximum=10**9,
    )  # fmt: skip
    select: str = fields.setting(
        "last", "Which weights are saved: the last, or those of the evaluation with the best reward.",
        source="not stated in the paper", choices=("last", "reward"),
    )  # fmt: skip
    select_max_kl: float = fields.setting(
        0.0, "Most KL an answer, in nats, of the weights that select = reward may choose; 0 is no limit.",
        source="not in the paper", minimum=0.0, maximum=1e6,
    )  # fmt: skip
    best_of: int = fields.setting(
        0, "Answers of the SFT policy to each validation prompt, the best of which PPO is compared with; 0 is none.",
        source="Stiennon et al. 2020", minimum=0, maximum=1024,
    )  # fmt: skip


# A smaller model than the paper's 1.3B needs a larger step; few data and one or two epochs need it larger still.
PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "episodes": 20_000, "rollout_batch": 128, "minibatch": 32, "response_length": 256, "max_prompt_length": 512,
        "ptx_examples": 1, "ptx_length": 512, "best_of": 4,
    },
    "cpu": {
        "episodes": 192, "rollout_batch": 32, "minibatch": 8, "response_length": 48, "max_prompt_length": 128,
        "warmup_iterations": 1, "kl_beta": 0.05, "learning_rate": 4e-5, "value_learning_rate": 4e-5,
        "micro_tokens": 1024, "eval_prompts": 16, "ema_decay": 0.0, "ptx_examples": 1, "ptx_length": 96,
    },
}  # fmt: skip
