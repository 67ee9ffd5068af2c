"""What a run needs, checked before it exists: kind, inputs, settings, name. Everything here only reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from people.models import Project
from people.plain_text import is_plain
from people.refusals import Refused
from training.engine.config import (
    KINDS,
    PRESETS,
    SampleSettings,
    Settings,
    SettingsError,
    as_dict,
    required_inputs,
    settings_for,
    wants_text,
)
from training.models import Checkpoint, PublishedSnapshot, Run
from training.selectors.checkpoints import checkpoint_find
from training.selectors.snapshots import snapshot_find

BASE = "base"
# How runs are called when nobody names them, and so what nobody else may call one.
LABELS = {"sft": "SFT", "reward": "Reward", "dpo": "DPO", "ppo": "PPO", "sample": "Sample"}
CHECK = "Check"  # a dry run
_GIVEN_NAME = re.compile(rf"(?:{'|'.join((*LABELS.values(), CHECK))}) \d+", re.IGNORECASE)


@dataclass(frozen=True)
class RunPlan:
    """A run that may be created: every input resolved, every setting checked and filled in."""

    project: Project
    kind: str
    name: str
    snapshot: PublishedSnapshot
    policy: Checkpoint | None
    reward: Checkpoint | None
    sampled: tuple[Checkpoint, ...]
    sample_base: bool
    preset: str
    settings: dict[str, Any]


def run_plan(
    *,
    project: Project,
    kind: str,
    snapshot: str,
    preset: str = "cpu",
    settings: dict[str, Any] | None = None,
    policy: str = "",
    reward: str = "",
    models: Sequence[str] = (),
    name: str = "",
) -> RunPlan:
    """Resolve and check what a run would be made of.

    `snapshot`, `policy`, `reward` and `models` are digests, their first eight or more characters, or names; `models`
    may hold "base", the base model. Without `policy`, SFT, reward and DPO start from it too. `settings` are the ones
    that differ from the preset. Raises Refused with the first thing that is wrong.
    """
    if kind not in KINDS:
        raise Refused(f"There is no kind of run {kind!r}; there are {', '.join(KINDS)}.")
    label = LABELS[kind]
    if preset not in PRESETS:
        raise Refused(f"There is no preset {preset!r}; there are {', '.join(PRESETS)}.")
    try:
        checked = settings_for(kind, preset, settings)
    except SettingsError as error:
        raise Refused(str(error)) from error
    if not snapshot:
        raise Refused(f"{label} needs a snapshot.")
    found = snapshot_find(project=project, reference=snapshot)
    if found is None:
        raise Refused(f"{project.name} has no snapshot {snapshot[:12]!r}.")
    _check_contents(found, kind, checked)
    required = required_inputs(checked)
    if models and "policies" not in required:
        raise Refused(f"{label} asks no models to answer; only Sample does.")
    if "policies" in required and not models:
        raise Refused("Sample needs at least one model to ask.")
    if policy and "policies" in required:
        raise Refused("Sample takes the models to ask, not a policy to start from.")
    if reward and "reward" not in required:
        raise Refused(
            "A rule judges this run, so it takes no reward model."
            if kind == "ppo"
            else f"{label} takes no reward model."
        )
    if "policy" in required and not policy:
        raise Refused(f"{label} needs a policy to start from.")
    if "reward" in required and not reward:
        raise Refused(f"{label} needs a reward model.")
    if wants_text(checked) and not django_settings.PRETRAIN_TEXT:
        raise Refused("This installation has no pretraining text to mix in; PRETRAIN_TEXT names it.")
    sampled = _sampled(project, models)
    plan = RunPlan(
        project=project,
        kind=kind,
        name=_name(project, name),
        snapshot=found,
        policy=_checkpoint(project, policy, Checkpoint.Kind.POLICY) if policy else None,
        reward=_checkpoint(project, reward, Checkpoint.Kind.REWARD) if reward else None,
        sampled=sampled,
        sample_base=BASE in models,
        preset=preset,
        settings=as_dict(checked),
    )
    if plan.sample_base or (plan.policy is None and not plan.sampled):
        _check_base_model()
    return plan


def _check_contents(snapshot: PublishedSnapshot, kind: str, settings: Settings) -> None:
    """Whether the snapshot holds at least one record of what the kind learns from or asks."""
    counts = snapshot.manifest.get("meta", {}).get("counts", {})
    needed = {"sft": "demonstrations", "reward": "rankings", "dpo": "rankings"}.get(kind, "prompts")
    splits: tuple[str, ...] = ("train",)
    if isinstance(settings, SampleSettings):
        splits = ("valid", "test") if settings.prompts_split == "heldout" else (settings.prompts_split,)
    if not any(counts.get(needed, {}).get(split) for split in splits):
        where = {"train": "training", "valid": "validation", "test": "test"}
        named = " or ".join(where[split] for split in splits)
        raise Refused(f"{snapshot} holds no {named} {needed}, which {LABELS[kind]} needs.")


def _checkpoint(project: Project, reference: str, kind: Checkpoint.Kind) -> Checkpoint:
    found = checkpoint_find(project=project, reference=reference)
    if found is None:
        raise Refused(f"{project.name} has no model {reference[:60]!r}.")
    if found.kind != kind:
        is_one = {"policy": "a policy", "reward": "a reward model"}
        raise Refused(f"{found.name} is {is_one[found.kind]}, not {is_one[kind]}.")
    return found


def _sampled(project: Project, models: Sequence[str]) -> tuple[Checkpoint, ...]:
    found = [_checkpoint(project, model, Checkpoint.Kind.POLICY) for model in models if model != BASE]
    return tuple({checkpoint.pk: checkpoint for checkpoint in found}.values())


def _name(project: Project, name: str) -> str:
    name = " ".join(name.split())
    if len(name) > 120:
        raise Refused(f"A run's name has at most 120 characters, not {len(name)}.")
    if not is_plain(name):
        raise Refused("A run's name is one line without invisible characters.")
    if _GIVEN_NAME.fullmatch(name):
        raise Refused(f"Names like {name!r} are given by the platform; choose another or leave it empty.")
    if name and Run.objects.filter(project=project, name=name).exists():
        raise Refused(f"{project.name} has a run named {name!r} already.")
    return name


def _check_base_model() -> None:
    base = str(django_settings.BASE_MODEL)
    if base.startswith(("/", "./", "../", "~")) and not Path(base).expanduser().is_dir():
        raise Refused(f"The base model's folder {base} does not exist.")
