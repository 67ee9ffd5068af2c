"""Presets and validation of run settings. No torch, so the web validates with it.

The preset `paper` is exactly the defaults of settings.py, the paper's values; `small` fits one GPU; `cpu` ends in a
few minutes a stage on two cores.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from dataclasses import dataclass
from typing import Any, get_type_hints

from training.engine.settings import (
    CLASSES,
    DPOSettings,
    PPOSettings,
    RewardSettings,
    SampleSettings,
    Settings,
    SFTSettings,
)
from training.engine.settings import PRESETS as VALUES

__all__ = [
    "CLASSES", "KINDS", "PRESETS", "REQUIRED_INPUTS", "DPOSettings", "FieldInfo", "PPOSettings", "RewardSettings",
    "SFTSettings", "SampleSettings", "Settings", "SettingsError", "as_dict", "checked_value", "describe", "differing",
    "required_inputs", "settings_for", "wants_text",
]  # fmt: skip
KINDS = ("sft", "reward", "dpo", "ppo", "sample")
PRESETS = ("paper", "small", "cpu")
_MOST_TEXT = 500
_SHOWN = 60  # characters of a wrong value that its sentence repeats
REQUIRED_INPUTS: dict[str, tuple[str, ...]] = {
    "sft": ("snapshot",),
    "reward": ("snapshot",),
    "dpo": ("snapshot",),
    "ppo": ("snapshot", "policy", "reward"),
    "sample": ("snapshot", "policies"),
}


def required_inputs(settings: Settings) -> tuple[str, ...]:
    """What a run with these settings cannot be without: the kind's inputs, but no reward model where a rule judges.

    SFT needs one where it selects the checkpoint.
    """
    [kind] = [kind for kind, cls in CLASSES.items() if type(settings) is cls]
    if isinstance(settings, SFTSettings) and settings.select == "reward":
        return (*REQUIRED_INPUTS[kind], "reward")
    ruled = isinstance(settings, PPOSettings) and settings.reward == "rule"
    return tuple(name for name in REQUIRED_INPUTS[kind] if not (ruled and name == "reward"))


def wants_text(settings: Settings) -> bool:
    """Whether a run with these settings reads pretraining text."""
    mixed = isinstance(settings, SFTSettings) and settings.pretrain_share > 0
    return mixed or (isinstance(settings, PPOSettings) and settings.ptx_gamma > 0)


class SettingsError(ValueError):
    """A setting is unknown or out of bounds. The message is one sentence for the person who gave it."""


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
        raise SettingsError(f"There is no preset {_shown(preset)}; there are {', '.join(PRESETS)}.")
    infos = {info.name: info for info in describe(kind)}
    values = dict(VALUES[kind].get(preset, {}))
    for name, value in (overrides or {}).items():
        if name not in infos:
            raise SettingsError(f"{kind} has no setting {_shown(name)}{_nearest(name, list(infos))}.")
        values[name] = checked_value(infos[name], value)
    settings = cls(**values)
    if isinstance(settings, PPOSettings):
        _check_ppo(settings)
    if isinstance(settings, RewardSettings):
        _check_reward(settings)
    if getattr(settings, "sharding", "none") != "none" and getattr(settings, "lora_rank", 0):
        raise SettingsError("sharding = layers trains all weights: set lora_rank to 0, or sharding to none.")
    if isinstance(settings, SampleSettings):
        _check_sample(settings)
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
    if kind not in CLASSES:
        raise SettingsError(f"There is no kind of run {kind!r}; there are {', '.join(KINDS)}.")
    return CLASSES[kind]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; the nearest is {close[0]!r}" if close else ""


def checked_value(info: FieldInfo, value: Any) -> Any:
    """One setting's value, read as its type. Raises SettingsError with a sentence that begins with its name."""
    if info.choices is not None:
        if value not in info.choices:
            raise SettingsError(f"{info.name} must be one of {', '.join(info.choices)}, not {_shown(value)}.")
        return value
    if info.type == "str":
        return _text(info, value)
    number = _number(info, value)
    low, high = info.minimum, info.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise SettingsError(
            f"{info.name} must be between {_plain(low)} and {_plain(high)}, not {_cut(_plain(number))}."
        )
    return number


def _text(info: FieldInfo, value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT or not value.isprintable():
        raise SettingsError(f"{info.name} must be one line of text of at most {_MOST_TEXT} characters.")
    return value.strip()


def _number(info: FieldInfo, value: Any) -> int | float:
    kind = "a whole number" if info.type == "int" else "a number"
    refusal = SettingsError(f"{info.name} must be {kind}, not {_shown(value)}.")
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
    if isinstance(value, float) and whole != value:
        raise refusal
    return whole


def _shown(value: Any) -> str:
    """What somebody gave, as long as a person reads it."""
    try:
        return _cut(repr(value))
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a number of thousands of digits"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _plain(number: float | None) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _check_ppo(settings: PPOSettings) -> None:
    if settings.rollout_batch % settings.minibatch:
        raise SettingsError(
            f"rollout_batch must be a multiple of minibatch, but {settings.rollout_batch} is not one of "
            f"{settings.minibatch}."
        )
    if settings.rollout_batch % settings.samples_per_prompt:
        raise SettingsError(
            f"rollout_batch must be a multiple of samples_per_prompt, but {settings.rollout_batch} is not one of "
            f"{settings.samples_per_prompt}."
        )
    if not settings.eval_prompts and (settings.select == "reward" or settings.best_of or settings.eval_every):
        raise SettingsError("select = reward, best_of and eval_every need eval_prompts of at least 1.")
    if settings.episodes < settings.rollout_batch:
        raise SettingsError(
            f"episodes must be at least rollout_batch, but {settings.episodes} is less than {settings.rollout_batch}."
        )


def _check_reward(settings: RewardSettings) -> None:
    if settings.folds == 1:
        raise SettingsError("folds must be 0 or between 2 and 100: with one group nobody is left to learn from.")
    if settings.fold >= max(1, settings.folds):
        raise SettingsError(
            f"fold must be between 0 and {max(1, settings.folds) - 1}, one of {settings.folds} folds, not "
            f"{settings.fold}."
        )


def _check_sample(settings: SampleSettings) -> None:
    # Below it vLLM draws at 0.01 with no more than a line in its log.
    if settings.engine == "vllm" and 0 < settings.temperature < 0.01:
        raise SettingsError(
            f"With engine = vllm temperature must be 0 or at least 0.01, not {_plain(settings.temperature)}."
        )
