"""Reads of runs: what a page or the API says of one besides its own columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from people.models import Project
from training.engine.config import SettingsError, as_dict, settings_for
from training.models import Checkpoint, Metric, Run
from training.progress import remaining_seconds

_MOST_STEPS = 12  # of a lineage strip


def runs_of(projects: QuerySet[Project]) -> QuerySet[Run]:
    """All runs of these projects, newest first, with what a list shows of them."""
    found = Run.objects.filter(project__in=projects)
    return found.select_related("project", "requested_by", "checkpoint").prefetch_related("sampled")


def run_remaining_seconds(run: Run) -> float | None:
    """Seconds left of the run's present phase; None where it does not run or no rate can be told yet."""
    if run.state != Run.State.RUNNING:
        return None
    return remaining_seconds(
        done=run.done,
        total=run.total,
        started_at=run.phase_started_at,
        reported_at=run.progress_at,
        now=timezone.now(),
    )


def run_checkpoint(run: Run) -> Checkpoint | None:
    """The model version that the run made, if it made one."""
    made: Checkpoint | None = getattr(run, "checkpoint", None)
    return made


def run_models(run: Run) -> list[str]:
    """What a sample run asks: "base" and digests."""
    return (["base"] if run.sample_base else []) + [
        checkpoint.digest for checkpoint in sorted(run.sampled.all(), key=lambda one: one.pk)
    ]


def run_metrics(run: Run, *, after: int = 0, limit: int = 5000) -> QuerySet[Metric]:
    """The run's reported lines after that line number, in order."""
    return run.metrics.filter(line__gt=after).order_by("line")[:limit]


@dataclass(frozen=True)
class Difference:
    """A setting that is not the preset's."""

    name: str
    value: Any
    usual: Any


def run_differences(run: Run) -> list[Difference]:
    """Settings that differ from the run's preset, in the order of the settings.

    Works on stored values, so that a run of an older version with settings that are gone can still be read.
    """
    try:
        usual = as_dict(settings_for(run.kind, run.preset))
    except SettingsError:
        usual = {}
    return [
        Difference(name, value, usual.get(name)) for name, value in run.settings.items() if usual.get(name) != value
    ]


@dataclass(frozen=True)
class Sampled:
    """An answer as it came: where it was made, from what, and how it was scored."""

    step: int
    prompt: str
    completion: str
    model: str
    reward: float | None
    kl: float | None


def run_samples(run: Run, *, limit: int = 12) -> list[Sampled]:
    """The latest answers, newest first; of a sample run, whose answers have no order, by prompt and then by model."""
    rows = run.metrics.filter(type=Metric.Type.SAMPLE).order_by("-line")
    if run.kind == Run.Kind.SAMPLE:
        everything = [_sampled(row) for row in reversed(rows[:200])]
        prompts = list(dict.fromkeys(sample.prompt for sample in everything))
        return sorted(everything, key=lambda sample: prompts.index(sample.prompt))[: 3 * limit]
    return [_sampled(row) for row in rows[:limit]]


def run_lineage(run: Run) -> list[Run]:
    """The run, what its models were made from and what was made from its model, in the order of their making.

    At most twelve: forebears before offspring, the nearest first.
    """
    related = {run.pk: run}
    for step in (_forebears, _offspring):
        front = [run]
        while front and len(related) < _MOST_STEPS:
            front = [one for one in step(front)[:_MOST_STEPS] if one.pk not in related]
            related.update({one.pk: one for one in front[: _MOST_STEPS - len(related)]})
    return sorted(related.values(), key=lambda one: one.pk)


def _forebears(runs: Iterable[Run]) -> QuerySet[Run]:
    keys = [run.pk for run in runs]
    used = Q(checkpoint__runs_from__in=keys) | Q(checkpoint__runs_rewarded__in=keys)
    return Run.objects.filter(used | Q(checkpoint__runs_sampled__in=keys)).distinct().order_by("-pk")


def _offspring(runs: Iterable[Run]) -> QuerySet[Run]:
    keys = [run.pk for run in runs]
    uses = Q(policy__run__in=keys) | Q(reward__run__in=keys) | Q(sampled__run__in=keys)
    return Run.objects.filter(uses).distinct().order_by("pk")


def _sampled(row: Metric) -> Sampled:
    values = row.values
    return Sampled(
        step=row.step,
        prompt=str(values.get("prompt") or ""),
        completion=str(values.get("completion") or ""),
        model=str(values.get("model") or ""),
        reward=_number(values.get("reward")),
        kl=_number(values.get("kl")),
    )


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
