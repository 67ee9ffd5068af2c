"""Settings of every kind of run: names, defaults, bounds, sources and presets. No torch, so the web validates with it.

A setting's default is the value of Ouyang et al. 2022 (IG) where the paper states one; the preset `paper` is exactly
the defaults, `small` fits one GPU, `cpu` ends in a few minutes a stage on two cores.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass, field
from typing import Any, get_type_hints

KINDS = ("sft", "reward", "ppo", "sample")
PRESETS = ("paper", "small", "cpu")
REQUIRED_INPUTS: dict[str, tuple[str, ...]] = {
    "sft": ("snapshot",),
    "reward": ("snapshot",),
    "ppo": ("snapshot", "policy", "reward"),
    "sample": ("snapshot", "policies"),
}
_N_PLUS = "Huang et al. 2024 (2403.17031)"


class SettingsError(ValueError):
    """A setting is unknown or out of bounds. The message is one sentence for the person who gave it."""


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
    vf_coef: float = _setting(
        0.1, "Weight of the value loss.", source="Ziegler et al. 2019", minimum=0.0, maximum=100.0
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
_CLASSES: dict[str, type[Settings]] = {
    "sft": SFTSettings,
    "reward": RewardSettings,
    "ppo": PPOSettings,
    "sample": SampleSettings,
}

# A smaller model than the paper's 1.3B needs a larger step; few data and one or two epochs need it larger still.
_PRESET_VALUES: dict[tuple[str, str], dict[str, Any]] = {
    ("sft", "small"): {"epochs": 3, "learning_rate": 2e-5, "dropout": 0.0, "max_length": 1024},
    ("sft", "cpu"): {
        "epochs": 1, "batch_size": 8, "learning_rate": 4e-5, "dropout": 0.0, "max_length": 384,
        "micro_tokens": 1024, "max_train_tokens": 40_000, "max_eval_tokens": 8_000,
    },
    ("reward", "small"): {"batch_prompts": 32, "learning_rate": 2e-5, "max_length": 1024},
    ("reward", "cpu"): {
        "batch_prompts": 4, "learning_rate": 4e-5, "max_length": 512, "micro_tokens": 1024,
        "max_train_tokens": 60_000, "max_eval_groups": 40, "max_bias_tokens": 4_000,
    },
    ("ppo", "small"): {
        "episodes": 20_000, "rollout_batch": 128, "minibatch": 32, "response_length": 256, "max_prompt_length": 512,
    },
    ("ppo", "cpu"): {
        "episodes": 192, "rollout_batch": 32, "minibatch": 16, "response_length": 48, "max_prompt_length": 128,
        "warmup_iterations": 2, "kl_beta": 0.05, "learning_rate": 5e-6, "value_learning_rate": 2e-5,
        "micro_tokens": 1024, "eval_prompts": 16,
    },
    ("sample", "small"): {"max_prompts": 256, "response_length": 256, "max_prompt_length": 512},
    ("sample", "cpu"): {
        "max_prompts": 12, "response_length": 96, "max_prompt_length": 256, "temperature": 0.7, "top_p": 0.95,
        "batch_rows": 16,
    },
}  # fmt: skip


@dataclass(frozen=True)
class FieldInfo:
    """One setting, described for a form: `type` is "int", "float" or "str"."""

    name: str
    type: str
    default: Any
    help: str
    source: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...] | None


def settings_for(kind: str, preset: str = "cpu", overrides: dict[str, Any] | None = None) -> Settings:
    """A preset's settings with some of them replaced; text is read as the setting's own type.

    Raises SettingsError with one sentence that names the kind, preset or setting and what was wrong with it.
    """
    cls = _class_of(kind)
    if preset not in PRESETS:
        raise SettingsError(f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")
    infos = {info.name: info for info in describe(kind)}
    values = dict(_PRESET_VALUES.get((kind, preset), {}))
    for name, value in (overrides or {}).items():
        if name not in infos:
            raise SettingsError(f"{kind} has no setting {name!r}{_nearest(name, list(infos))}.")
        values[name] = _checked(infos[name], value)
    settings = cls(**values)
    if isinstance(settings, PPOSettings):
        _check_ppo(settings)
    return settings


def as_dict(settings: Settings) -> dict[str, Any]:
    """All fields by name, plain JSON values."""
    return dataclasses.asdict(settings)


def differing(kind: str, preset: str, settings: Settings) -> dict[str, tuple[Any, Any]]:
    """Fields whose value differs from the preset's: {name: (value, the preset's value)}."""
    usual = as_dict(settings_for(kind, preset))
    return {name: (value, usual[name]) for name, value in as_dict(settings).items() if value != usual[name]}


def describe(kind: str) -> list[FieldInfo]:
    """Every setting of a kind in the order of the class; the default is the paper's preset."""
    cls = _class_of(kind)
    types = get_type_hints(cls)
    return [FieldInfo(f.name, types[f.name].__name__, f.default, **f.metadata) for f in dataclasses.fields(cls)]


def _class_of(kind: str) -> type[Settings]:
    if kind not in _CLASSES:
        raise SettingsError(f"There is no kind of run {kind!r}; there are {', '.join(KINDS)}.")
    return _CLASSES[kind]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; the nearest is {close[0]!r}" if close else ""


def _checked(info: FieldInfo, value: Any) -> Any:
    if info.choices is not None:
        if value not in info.choices:
            raise SettingsError(f"{info.name} must be one of {', '.join(info.choices)}, not {value!r}.")
        return value
    number = _number(info, value)
    low, high = info.minimum, info.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise SettingsError(f"{info.name} must be between {_plain(low)} and {_plain(high)}, not {_plain(number)}.")
    return number


def _number(info: FieldInfo, value: Any) -> int | float:
    kind = "a whole number" if info.type == "int" else "a number"
    refusal = SettingsError(f"{info.name} must be {kind}, not {value!r}.")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise refusal
    try:
        number = float(value)
        if not math.isfinite(number):
            raise refusal
        if info.type == "float":
            return number
        whole = int(value)
    except (ValueError, OverflowError):
        raise refusal from None
    if whole != number:
        raise refusal
    return whole


def _plain(number: float | None) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _check_ppo(settings: PPOSettings) -> None:
    if settings.rollout_batch % settings.minibatch:
        raise SettingsError(
            f"rollout_batch must be a multiple of minibatch, but {settings.rollout_batch} is not one of "
            f"{settings.minibatch}."
        )
    if settings.episodes < settings.rollout_batch:
        raise SettingsError(
            f"episodes must be at least rollout_batch, but {settings.episodes} is less than {settings.rollout_batch}."
        )
