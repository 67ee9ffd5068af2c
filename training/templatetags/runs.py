"""`{% load runs %}`: how runs and their figures are written on pages."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from training.models import Run
from training.progress import rate, spoken
from training.selectors import summaries
from training.selectors.runs import run_remaining_seconds

register = template.Library()
# What the engine counts, where it is not forward passes or files.
_UNITS = {
    ("sft", "train"): "steps",
    ("reward", "train"): "steps",
    ("dpo", "train"): "steps",
    ("ppo", "train"): "episodes",
    ("sample", "sample"): "answers",
}


@register.filter
def headline(run: Run) -> str:
    """What came out of the run, in one short line."""
    return summaries.headline(run)


@register.filter
def told(value: Any) -> str:
    """A figure as people read it; a setting's text as it is."""
    if isinstance(value, float):  # settings such as 9.65e-06 keep their digits
        return f"{value:g}"
    return summaries.told(value)


@register.filter
def figure(value: float | None) -> str:
    """A measured number with two decimals, or a dash."""
    return "–" if value is None else f"{value:.2f}"


@register.filter
def seconds(value: float) -> str:
    """A short time with one decimal: "3.9 s"."""
    return f"{value:.1f} s"


@register.filter
def percent(run: Run) -> int:
    """How much of the present phase is done, in whole percent."""
    return min(100, 100 * run.done // run.total) if run.total else 0


@register.filter
def progress_words(run: Run) -> str:
    """What a running run does now: "train: 12 of 40 steps · 2.5 s each · 3 min left in this phase"."""
    if run.state != Run.State.RUNNING:
        return ""
    if not run.phase:
        return "starting"
    unit = _UNITS.get((run.kind, run.phase), "")
    done = f"{run.done:,} of {run.total:,}" if run.total else f"{run.done:,}"
    words = [f"{run.phase}: {done} {unit}".rstrip()]
    speed = rate(done=run.done, started_at=run.phase_started_at, reported_at=run.progress_at)
    if speed and (run.total or 0) > 1:
        words.append(f"{speed:.1f} a second" if speed >= 1 else f"{1 / speed:.1f} s each")
    left = run_remaining_seconds(run)
    if left is not None and run.done < (run.total or 0):
        words.append(f"{spoken(left)} left in this phase")
    return " · ".join(words)


@register.filter
def duration(run: Run) -> str:
    """How long the run ran, or has run until now."""
    if run.started_at is None:
        return ""
    return spoken(((run.finished_at or timezone.now()) - run.started_at).total_seconds())
