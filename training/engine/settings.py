"""What can be set in each kind of run: one frozen dataclass a kind, each field with its help, source and bounds.

A default is the value of Ouyang et al. 2022 (IG) where the paper states one. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_N_PLUS = "Huang et al. 2024 (2403.17031)"


def _setting(
    default: Any,
    help: str,
    *,
    source: str = "not stated in the paper",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    metadata = {"help": help, "source": source, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=metadata)


def _seed() -> Any:
    return _setting(1, "Seed of the data order, new weights and sampling.", minimum=0, maximum=2**31 - 1)


def _dtype() -> Any:
    text = "Precision of weights and activations; auto takes bf16 where the hardware has it. Optimizer: always fp32."
    return _setting("auto", text, choices=("auto", "fp32", "bf16"))


def _max_length() -> Any:
    text = "Longest prompt and completion together, in tokens; longer ones are left out and counted, never cut."
    return _setting(2048, text, source="IG appendix C: context of 2k tokens", minimum=16, maximum=131_072)


def _micro_tokens(default: int = 16_384) -> Any:
    text = "Most tokens, padding included, in one forward pass. Changes speed and memory, not the result."
    return _setting(default, text, minimum=16, maximum=4_000_000)


def _budget(what: str, default: int = 0) -> Any:
    return _setting(default, f"Most tokens of {what}; 0 is no limit.", minimum=0, maximum=10**12)


def _max_grad_norm() -> Any:
    return _setting(1.0, "Gradients are scaled down to this total L2 norm.", minimum=1e-6, maximum=1e6)


def _weight_decay() -> Any:
    return _setting(0.0, "AdamW's decoupled weight decay, on matrices only.", minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class SFTSettings:
    """Supervised fine-tuning on demonstrations (IG section 3.5 and appendix C.1)."""

    seed: int = _seed()
    dtype: str = _dtype()
    epochs: int = _setting(16, "Passes over the demonstrations.", source="IG C.1", minimum=1, maximum=1000)
    batch_size: int = _setting(32, "Demonstrations a step.", source="IG C.1", minimum=1, maximum=65_536)
    learning_rate: float = _setting(
        9.65e-6, "AdamW's peak; falls along a cosine to a tenth.", source="IG C.1", minimum=1e-9, maximum=1.0
    )
    warmup_steps: int = _setting(0, "Steps of linear warm-up.", source="IG C.1: none", minimum=0, maximum=10**6)
    weight_decay: float = _weight_decay()
    dropout: float = _setting(
        0.2,
        "Dropout in the places the architecture has (Llama: attention).",
        source="IG C.1",
        minimum=0.0,
        maximum=0.9,
    )
    max_grad_norm: float = _max_grad_norm()
    max_length: int = _max_length()
    micro_tokens: int = _micro_tokens()
    max_train_tokens: int = _budget("the training demonstrations in one epoch")
    max_eval_tokens: int = _budget("the validation demonstrations")


@dataclass(frozen=True)
class RewardSettings:
    """The reward model over all K-choose-2 pairs of a prompt (IG section 3.5, eq. 1, and appendix C.2)."""

    seed: int = _seed()
    dtype: str = _dtype()
    epochs: int = _setting(1, "Passes over the ranking groups.", source="IG C.2: more overfit", minimum=1, maximum=100)
    batch_prompts: int = _setting(64, "Ranking groups a step.", source="IG C.2", minimum=1, maximum=65_536)
    learning_rate: float = _setting(
        9e-6, "AdamW's peak; falls along a cosine to a tenth.", source="IG C.2", minimum=1e-9, maximum=1.0
    )
    warmup_steps: int = _setting(0, "Steps of linear warm-up.", minimum=0, maximum=10**6)
    weight_decay: float = _weight_decay()
    max_grad_norm: float = _max_grad_norm()
    ties: str = _setting(
        "drop", "What a tie teaches: nothing (drop) or equal scores (half).", source="IG 3.5: dropped",
        choices=("drop", "half"),
    )  # fmt: skip
    layout: str = _setting(
        "prefix", "Forward each prompt once for all its completions (prefix), or once for each (rows).",
        source="equal results; prefix is faster", choices=("prefix", "rows"),
    )  # fmt: skip
    max_length: int = _max_length()
    micro_tokens: int = _micro_tokens()
    max_train_tokens: int = _budget("the training groups in one epoch, each prompt counted once")
    max_eval_groups: int = _setting(0, "Most validation groups; 0 is no limit.", minimum=0, maximum=10**9)
    max_bias_tokens: int = _budget("the demonstrations whose mean score the bias sets to 0")


@dataclass(frozen=True)
class PPOSettings:
    """PPO against the reward model with a per-token KL to the SFT policy (IG section 3.5, eq. 2, and appendix C.4)."""

    seed: int = _seed()
    dtype: str = _dtype()
    episodes: int = _setting(256_000, "Answers sampled in all.", source="IG C.4", minimum=1, maximum=10**9)
    rollout_batch: int = _setting(512, "Answers sampled an iteration.", source="IG C.4", minimum=1, maximum=65_536)
    minibatch: int = _setting(64, "Answers an optimizer step.", source="IG C.4", minimum=1, maximum=65_536)
    inner_epochs: int = _setting(1, "Passes over each rollout batch.", source="IG C.4", minimum=1, maximum=64)
    response_length: int = _setting(
        1024, "Longest sampled answer, in tokens.", source="IG C: 1k tokens", minimum=1, maximum=65_536
    )
    max_prompt_length: int = _setting(
        1000, "Longest prompt, in tokens; longer ones are left out and counted.", source="IG A.3", minimum=1,
        maximum=131_072,
    )  # fmt: skip
    learning_rate: float = _setting(
        5e-6, "Policy's AdamW peak, after warm-up.", source="IG C.4: swept; above 8.05e-6 diverged without ptx",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    value_learning_rate: float = _setting(9e-6, "Value model's AdamW peak.", source="IG C.4", minimum=0.0, maximum=1.0)
    warmup_iterations: int = _setting(
        10, "Iterations of linear warm-up from a tenth.", source="IG C.4", minimum=0, maximum=10**6
    )
    kl_beta: float = _setting(
        0.02, "Price of a nat of KL to the SFT policy.", source="IG C.4: fixed", minimum=0.0, maximum=1000.0
    )
    clip_ratio: float = _setting(0.2, "PPO's clip of the ratio.", source="IG C.4", minimum=0.001, maximum=10.0)
    value_clip: float = _setting(
        0.2, "Clip of the value's change.", source="Ziegler et al. 2019", minimum=0.001, maximum=1e6
    )
    gamma: float = _setting(1.0, "Discount.", source="IG C.4", minimum=0.0, maximum=1.0)
    gae_lambda: float = _setting(
        0.95, "Generalised advantage estimation's λ.", source="Stiennon et al. 2020", minimum=0.0, maximum=1.0
    )
    temperature: float = _setting(1.0, "Rollout temperature.", source="IG C.4", minimum=0.01, maximum=10.0)
    missing_eos_penalty: float = _setting(
        1.0, "Subtracted from the score of an answer that does not end by itself.", source=_N_PLUS, minimum=0.0,
        maximum=1000.0,
    )  # fmt: skip
    max_grad_norm: float = _max_grad_norm()
    micro_tokens: int = _micro_tokens()
    eval_prompts: int = _setting(
        256, "Validation prompts answered before and after.", source="not in the paper", minimum=0, maximum=10**6
    )


@dataclass(frozen=True)
class SampleSettings:
    """Answers of several models to the same prompts, on their way to the people."""

    seed: int = _seed()
    dtype: str = _dtype()
    prompts_split: str = _setting(
        "heldout", "Prompts to answer; heldout is validation and test together.",
        source="IG 4: held-out customers", choices=("heldout", "valid", "test", "train"),
    )  # fmt: skip
    max_prompts: int = _setting(0, "Most prompts; 0 is no limit.", minimum=0, maximum=10**9)
    samples_per_prompt: int = _setting(1, "Answers of each model to each prompt.", minimum=1, maximum=64)
    response_length: int = _setting(1024, "Longest sampled answer, in tokens.", minimum=1, maximum=65_536)
    max_prompt_length: int = _setting(
        1000, "Longest prompt, in tokens; longer ones are left out and counted.", source="IG A.3", minimum=1,
        maximum=131_072,
    )  # fmt: skip
    temperature: float = _setting(
        1.0, "Sampling temperature; 0 is greedy.", source="IG C.4", minimum=0.0, maximum=10.0
    )
    top_p: float = _setting(1.0, "Nucleus sampling's mass; 1 is off.", minimum=0.01, maximum=1.0)
    batch_rows: int = _setting(64, "Answers sampled side by side.", minimum=1, maximum=65_536)


Settings = SFTSettings | RewardSettings | PPOSettings | SampleSettings
CLASSES: dict[str, type[Settings]] = {
    "sft": SFTSettings,
    "reward": RewardSettings,
    "ppo": PPOSettings,
    "sample": SampleSettings,
}
