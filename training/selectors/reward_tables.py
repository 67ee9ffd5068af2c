"""What a reward model's held-out rankings say, as people read it: the figures beside its accuracy, and its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.models import Run

Figures = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of a run's result: its title, what its columns are, and rows of text whose first cell names the row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


_TITLES = {
    "answers": ("Accuracy by number of answers", "Answers"),
    "category": ("Accuracy by use case", "Use case"),
    "labelers": ("Accuracy by labelers", "Labelers"),
    "length": ("Accuracy by length of the better answer", "Beside the worse one"),
    "calibration": ("Is its confidence right?", "Confidence σ(Δ)"),
}
_COLUMNS = {
    "confidence": "Mean confidence",
    "accuracy": "Ranked as labelers did",
    "interval": "95 % interval",
    "pairs": "Pairs",
    "groups": "Rankings",
}


def reward_tables(run: Run) -> list[Table]:
    """The tables of a reward model's summary in a fixed order; none for other runs, or summaries of older versions."""
    found = run.summary.get("tables")
    if not isinstance(found, dict):
        return []
    tables = []
    for name, (title, first) in _TITLES.items():
        rows = [_shown(row) for row in found.get(name) or []]
        if rows:
            keys = [key for key in _COLUMNS if any(key in row for row in rows)]
            columns = [first, *(_COLUMNS[key] for key in keys)]
            tables.append(
                Table(title, columns, [[row["label"], *(row.get(key, "–") for key in keys)] for row in rows])
            )
    return tables


def beside_accuracy(left: Figures) -> list[tuple[str, str]]:
    """(what, figure) of what stands beside the accuracy, taken out of `left`: other ties, people, those left out.

    A snapshot freezes the agreement of people, imported rankings included, or, where no two of them can be compared,
    that of simulated labelers.
    """
    rows = []
    left.pop("tables", None)
    if left.get("human_agreement") is not None:
        text = _share(left, "human_agreement", "human_agreement_pairs")
        rule = left.pop("human_agreement_rule", "")
        prompts = left.pop("human_agreement_prompts", None)
        on = f", on {prompts:,} prompts" if prompts else ""
        who = "Simulated labelers" if left.pop("human_agreement_simulated", False) else "People"
        rows.append((f"{who} agree with one another", text + on + (f" ({rule})" if rule else "")))
    if left.get("fold_accuracy") is not None:
        text = _share(left, "fold_accuracy", "fold_pairs", low="fold_low", high="fold_high")
        left.pop("fold_groups", None)
        rows.append(("On the labelers left out", text))
    if left.get("valid_accuracy_ties_half") is not None:
        tied = left.pop("valid_tied_pairs", 0)
        text = f"{_percent(left.pop('valid_accuracy_ties_half'))} with {tied:,} pairs that labelers tied"
        rows.append(("Held-out pairs where a tie counts half", text))
    return rows


def _share(left: Figures, share: str, pairs: str, low: str = "", high: str = "") -> str:
    low, high = low or f"{share}_low", high or f"{share}_high"
    text = f"{_percent(left.pop(share))} of {left.pop(pairs, 0):,} pairs"
    least, most = left.pop(low, None), left.pop(high, None)
    return text if least is None or most is None else f"{text}, 95 % interval {100 * least:.1f}–{100 * most:.1f}"


def _shown(row: Figures) -> dict[str, str]:
    shown = {"label": str(row["label"])}
    shown |= {key: _percent(row[key]) for key in ("accuracy", "confidence") if key in row}
    if row.get("low") is not None and row.get("high") is not None:
        shown["interval"] = f"{100 * row['low']:.1f}–{100 * row['high']:.1f}"
    return shown | {key: f"{row[key]:,}" for key in ("pairs", "groups") if key in row}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
