"""The curves of a run's page: which figures of which kind, drawn from what the run reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from training.charts import Chart, Series, line_chart
from training.models import Metric, Run


@dataclass(frozen=True)
class _Curve:
    """A figure's title, its key in the metrics, and how its held-out counterpart is called, if it has one."""

    title: str
    key: str
    held_out: str = ""


_MOST_ROWS = 400  # of a kind that are read for a page, however long the run: a chart is 336 units wide
_SPEED = _Curve("Tokens a second", "tokens_per_second")
_MEMORY = (_Curve("Memory held at most, GiB", "memory_gib"), _Curve("GPU memory held at most, GiB", "gpu_memory_gib"))
_CURVES: dict[str, tuple[_Curve, ...]] = {
    "sft": (_Curve("Loss, nats a token", "loss", "Validation"), _SPEED),
    "reward": (
        _Curve("Pair loss, nats", "loss", "Validation"),
        _Curve("Pairs ranked as labelers did", "accuracy", "Validation"),
        _SPEED,
    ),
    "dpo": (
        _Curve("Pair loss, nats", "loss", "Validation"),
        _Curve("Pairs ranked as labelers did", "accuracy", "Validation"),
        _SPEED,
    ),
    "ppo": (
        _Curve("Reward", "reward", "Held-out prompts"),
        _Curve("KL to reference, nats an answer", "kl", "Held-out prompts"),
        _Curve("Answer length, tokens", "mean_length", "Held-out prompts"),
        _Curve("Different pairs of tokens", "distinct_2", "Held-out prompts"),
        _Curve("Pretraining loss, nats a token", "ptx_loss"),
        _Curve("Episodes a second", "episodes_per_second"),
    ),
    "sample": (),
}


def run_charts(run: Run) -> list[Chart]:
    """The charts of a run, those without a value left out. Of a long run they show evenly chosen steps."""
    reported = _reported(run) if _CURVES[run.kind] else {}
    planned = planned_steps(run)
    charts = []
    for curve in (*_CURVES[run.kind], *_MEMORY) if reported else ():
        series = [_series("Training", reported["metrics"], curve.key)]
        if curve.held_out:
            series.append(_series(curve.held_out, reported["eval"], curve.key, dots=True))
        if chart := line_chart(curve.title, series, planned=planned):
            charts.append(chart)
    return charts


def planned_steps(run: Run) -> int:
    """Steps, or iterations, that the run is to make; 0 where it cannot be told or the run has ended."""
    if run.is_final:
        return 0
    if run.kind == Run.Kind.PPO:
        episodes, batch = run.settings.get("episodes", 0), run.settings.get("rollout_batch", 0)
        return int(episodes // batch) if batch else 0
    return (run.total or 0) if run.phase == "train" else 0


def time_spent(run: Run, *, latest: int = 20) -> list[tuple[str, float]]:
    """(part, mean seconds) of the latest steps that had the part: of SFT the gradients and the update."""
    rows = run.metrics.filter(type=Metric.Type.METRICS).order_by("-line").values_list("values", flat=True)[:latest]
    spent = []
    for part in ("sample", "score", "gradients", "update", "save"):
        known = [seconds for row in rows if (seconds := _number(row.get(f"seconds_{part}"))) is not None]
        if known:
            spent.append((part.capitalize(), sum(known) / len(known)))
    return spent


def _reported(run: Run) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """(step, values) of training and of evaluation in order: of each at most `_MOST_ROWS` and the first.

    Of n rows, counted from 1, row i is taken where i·most/n passes a whole number: all rows of a short run, evenly
    spaced rows of a long one, always with the last. The database counts, so that only what is drawn is read.
    """
    rows = run.metrics.filter(type__in=(Metric.Type.METRICS, Metric.Type.EVAL))
    numbered = rows.annotate(
        number=Window(RowNumber(), partition_by="type", order_by="line"),
        count=Window(Count("*"), partition_by="type"),
    ).annotate(place=F("number") * _MOST_ROWS / F("count"), before=(F("number") - 1) * _MOST_ROWS / F("count"))
    chosen = numbered.filter(Q(number=1) | Q(place__gt=F("before"))).order_by("line")
    reported: dict[str, list[tuple[int, dict[str, Any]]]] = {"metrics": [], "eval": []}
    for kind, step, values in chosen.values_list("type", "step", "values"):
        reported[kind].append((step, values))
    return reported


def _series(name: str, reported: list[tuple[int, dict[str, Any]]], key: str, *, dots: bool = False) -> Series:
    return Series(name, [(step, _number(values[key])) for step, values in reported if key in values], dots)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
