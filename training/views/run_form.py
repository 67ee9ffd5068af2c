"""The form of a new run, made from the kind's settings: what the engine reads is what the page asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django import forms
from django.forms.boundfield import BoundField

from people.models import Project
from training.engine.config import FieldInfo, SettingsError, as_dict, checked_value, describe, settings_for
from training.models import Checkpoint, PublishedSnapshot
from training.services.plans import BASE

_GROUPS = {
    "Data": (
        *("max_length", "max_prompt_length", "prompts_split", "max_prompts", "samples_per_prompt", "eval_prompts"),
        *("loss_on", "pretrain_share", "pretrain_length", "ptx_examples", "ptx_length"),
        *("eval_steps", "eval_every", "best_of"),
        *("max_train_tokens", "max_eval_tokens", "max_eval_groups", "max_bias_tokens"),
        *("folds", "fold"),
    ),
    "Learning": (
        *("epochs", "episodes", "batch_size", "batch_prompts", "rollout_batch", "minibatch", "inner_epochs"),
        *("learning_rate", "value_learning_rate", "warmup_steps", "warmup_iterations", "weight_decay", "dropout"),
        *("beta", "ties", "max_grad_norm", "lora_rank", "lora_alpha", "select"),
    ),
    "Reward model": (
        *("backbone", "grouping", "label_smoothing", "centring"),
        *("margin_1", "margin_2", "margin_3", "margin_4"),
    ),
    "PPO": (
        *("reward", "missing_eos_penalty", "kl_beta", "kl_control", "kl_target", "kl_horizon", "kl_stop"),
        *("clip_ratio", "value", "value_clip", "value_coefficient", "gamma", "gae_lambda"),
        *("whiten_rewards", "whiten_advantages", "ptx_gamma", "ema_decay", "select_max_kl"),
    ),
    "Sampling": ("response_length", "temperature", "top_p", "top_k", "engine"),
    "Machine": ("dtype", "micro_tokens", "recompute", "sharding", "batch_rows", "layout", "save_minutes", "seed"),
}
# Names that do not read well by themselves.
_LABELS = {
    "beta": "DPO β",
    "kl_beta": "KL β",
    "gae_lambda": "GAE λ",
    "gamma": "Discount γ",
    "missing_eos_penalty": "Penalty for a missing end",
    "reward": "Judged by",
    "kl_control": "Control of KL β",
    "kl_target": "KL target",
    "kl_horizon": "KL horizon",
    "kl_stop": "KL that ends an update",
    "ptx_gamma": "Pretraining γ",
    "ptx_examples": "Pretraining examples an answer",
    "ptx_length": "Pretraining example length",
    "ema_decay": "EMA decay",
    "select": "Weights to save",
    "select_max_kl": "Most KL to save",
    "best_of": "Best of N",
    "loss_on": "Turns that are learned",
    "pretrain_share": "Share of pretraining text",
    "pretrain_length": "Pretraining row length",
    "eval_steps": "Steps between validations",
    "max_grad_norm": "Max gradient norm",
    "fold": "Fold left out",
    "margin_1": "Margin of strength 1",
    "margin_2": "Margin of strength 2",
    "margin_3": "Margin of strength 3",
    "margin_4": "Margin of strength 4",
    "engine": "Sampled by",
    "dtype": "Precision",
    "lora_rank": "LoRA rank",
    "lora_alpha": "LoRA α",
    "recompute": "Recompute activations",
    "top_p": "Top-p",
    "top_k": "Top-k",
}
_PREFIX = "set-"


@dataclass(frozen=True)
class Group:
    """Settings that belong together on the page."""

    title: str
    fields: list[BoundField]


class RunForm(forms.Form):
    """Name, inputs and every setting of one kind of run in one project, filled in with a preset's values."""

    def __init__(self, project: Project, kind: str, preset: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.usual = as_dict(settings_for(kind, preset))
        self.fields["key"] = forms.CharField(
            required=False, max_length=64, initial=uuid4().hex, widget=forms.HiddenInput
        )
        self.fields["name"] = forms.CharField(
            required=False, max_length=120, help_text="Empty: the platform numbers it, as in “SFT 12”."
        )
        self.fields["snapshot"] = forms.ChoiceField(
            choices=_snapshots(project), help_text="What to learn from or ask."
        )
        policies = _checkpoints(project, Checkpoint.Kind.POLICY)
        if kind == "sample":
            self.fields["models"] = forms.MultipleChoiceField(
                choices=[(BASE, "Base model"), *policies],
                widget=forms.CheckboxSelectMultiple,
                initial=[BASE],
                help_text="All of them answer the same prompts.",
            )
        else:
            base = [] if kind == "ppo" else [("", "Base model")]
            self.fields["policy"] = forms.ChoiceField(
                required=kind == "ppo", choices=[*base, *policies], label="Start from"
            )
        if kind in ("sft", "ppo"):
            found, none = _checkpoints(project, Checkpoint.Kind.REWARD), [("", "None")]
            self.fields["reward"] = forms.ChoiceField(
                required=False,
                choices=[*none, *found] if kind == "sft" else [*found, *none],
                initial=found[0][0] if found and kind == "ppo" else "",
                label="Reward model",
                help_text="Only to select the checkpoint by its score." if kind == "sft" else "None: a rule judges.",
            )
        self.settings = describe(kind)
        for info in self.settings:
            self.fields[_PREFIX + info.name] = _setting(info, self.usual[info.name])

    def clean(self) -> dict[str, Any]:
        """What is wrong with a setting by itself stands beside it, for all of them at once."""
        for info in self.settings:
            value = self.cleaned_data.get(_PREFIX + info.name, "")
            try:
                if value != "":
                    checked_value(info, value)
            except SettingsError as error:
                sentence = str(error).removeprefix(f"{info.name} ")
                self.add_error(_PREFIX + info.name, sentence[0].upper() + sentence[1:])
        return self.cleaned_data

    def refused(self) -> list[BoundField]:
        """The fields that something is wrong with, in the page's order."""
        shown = [*self.inputs(), *(field for group in self.groups() for field in group.fields)]
        return [field for field in shown if field.errors]

    def inputs(self) -> list[BoundField]:
        """The fields that are neither settings nor hidden, in their order."""
        return [field for field in self.visible_fields() if not field.name.startswith(_PREFIX)]

    def groups(self) -> Iterator[Group]:
        """The settings in their groups; one that no group names is shown under "Other"."""
        left = [name.removeprefix(_PREFIX) for name in self.fields if name.startswith(_PREFIX)]
        for title, members in _GROUPS.items():
            here = [name for name in left if name in members]
            left = [name for name in left if name not in members]
            if here:
                yield Group(title, [self[_PREFIX + name] for name in here])
        if left:
            yield Group("Other", [self[_PREFIX + name] for name in left])

    def overrides(self) -> dict[str, Any]:
        """The settings that were given, by name; the services tell which differ from the preset."""
        given = {name: self.cleaned_data[_PREFIX + name] for name in self.usual}
        return {name: value for name, value in given.items() if value != ""}


def _setting(info: FieldInfo, usual: Any) -> forms.Field:
    text = f"{info.help} Preset paper: {_plain(info.default)} ({info.source})."
    label = _LABELS.get(info.name) or info.name.replace("_", " ").capitalize()
    if info.choices is not None:
        choices = [(choice, choice) for choice in info.choices]
        return forms.ChoiceField(required=False, choices=choices, initial=usual, label=label, help_text=text)
    if info.type == "str":
        return forms.CharField(required=False, initial=usual, label=label, help_text=text)
    bounds = {"min": info.minimum, "max": info.maximum, "step": "1" if info.type == "int" else "any"}
    widget = forms.NumberInput({name: value for name, value in bounds.items() if value is not None})
    # Text, not a number: the engine's own rules read it and say what is wrong with it.
    return forms.CharField(required=False, initial=usual, label=label, help_text=text, widget=widget)


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _snapshots(project: Project) -> list[tuple[str, str]]:
    found = PublishedSnapshot.objects.filter(project=project)[:200]
    return [(one.digest, f"{one.digest[:12]} · {one.seen_at:%Y-%m-%d %H:%M}") for one in found]


def _checkpoints(project: Project, kind: Checkpoint.Kind) -> list[tuple[str, str]]:
    found = Checkpoint.objects.filter(project=project, kind=kind)[:500]
    return [(one.digest, f"{one.name} · {one.digest[:12]}") for one in found]
