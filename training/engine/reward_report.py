"""What a reward model's held-out rankings say of it: flat figures and tables, from scores alone.

`order_figures` are those that a policy's implicit rewards share.

Every share comes with its number of pairs, its interval and the rule for ties. Small classes are shown as they are:
their intervals say how little they tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import torch

from training.engine.accuracy import (
    INTERVAL_RULE,
    TIE_RULE,
    PairAccuracy,
    count_pairs,
    kendall_tau,
    pair_accuracy,
    share_right,
    tied_pairs,
)
from training.engine.calibration import calibration_bins, calibration_error, confidences
from training.engine.data import Group
from training.engine.losses import kway_loss, pair_targets

Judged = tuple[Group, list[float]]  # a ranking and the model's scores of its completions
Row = dict[str, Any]
# The better completion's length as a share of the worse one's, in tokens.
_LENGTHS = ((0.5, "under half as long"), (0.9, "shorter"), (1.1, "about as long"), (2.0, "longer"))
_LONGEST = "over twice as long"


def report(judged: Sequence[Judged]) -> dict[str, Any]:
    """Figures of `valid_…`, and under "tables" a list of rows each for answers, category, length, labelers and
    calibration. Empty where no pair has an order.
    """
    measured = accuracy_of(judged)
    if measured is None:
        return {}
    tied = sum(tied_pairs(group.ranks) for group, _ in judged)
    taus = [tau for group, scores in judged if (tau := kendall_tau(scores, group.ranks)) is not None]
    bins = calibration_bins([pair for group, scores in judged for pair in confidences(scores, group.ranks)])
    figures = order_figures(judged, measured) | {
        "valid_tied_pairs": tied,
        "valid_accuracy_ties_half": round(
            (measured.accuracy * measured.pairs + tied / 2) / (measured.pairs + tied), 5
        ),
        "mean_confidence": round(sum(one.pairs * one.confidence for one in bins) / measured.pairs, 5),
        "calibration_error": round(calibration_error(bins) or 0.0, 5),
    }
    if taus:
        figures["kendall_tau"] = round(sum(taus) / len(taus), 5)
    figures["tables"] = {
        "answers": _classes(judged, lambda group: len(group.ranks)),
        "category": _classes(judged, lambda group: group.category or "none"),
        "labelers": _classes(judged, _labelers),
        "length": _lengths(judged),
        "calibration": [
            {"label": f"{one.low:.0%}–{one.high:.0%}", "confidence": round(one.confidence, 4),
             "accuracy": round(one.right, 4), "pairs": one.pairs}
            for one in bins
        ],
    }  # fmt: skip
    return figures


def accuracy_of(judged: Sequence[Judged]) -> PairAccuracy | None:
    """How far scores order rankings as their labelers did; None where no pair has an order."""
    return pair_accuracy([(scores, group.ranks) for group, scores in judged], [_prompt(group) for group, _ in judged])


def order_figures(judged: Sequence[Judged], measured: PairAccuracy) -> dict[str, Any]:
    """What holds of scores of any kind: their mean loss, and their accuracy (`accuracy_of`) with its interval."""
    losses = [
        float(kway_loss(torch.tensor(scores, dtype=torch.float64), pair_targets(group.ranks)))
        for group, scores in judged
        if len(set(group.ranks)) > 1
    ]
    figures: dict[str, Any] = {
        "valid_loss": round(sum(losses) / len(losses), 5),
        "valid_accuracy": round(measured.accuracy, 5),
        "valid_pairs": measured.pairs,
        "valid_groups": measured.groups,
        "valid_simulated_groups": sum(
            group.provenance == "simulated" and len(set(group.ranks)) > 1 for group, _ in judged
        ),
        "tie_rule": TIE_RULE,
    }
    if measured.low is not None:
        figures |= {
            "valid_accuracy_low": round(measured.low, 5),
            "valid_accuracy_high": round(measured.high, 5),
            "interval_rule": INTERVAL_RULE,
        }
    return figures


def fold_figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Accuracy on the rankings of labelers who were left out of training: `fold_accuracy`, its pairs and interval."""
    measured = accuracy_of(judged)
    if measured is None:
        return {}
    row = _row("", measured)
    return {f"fold_{name}": row[name] for name in row if name != "label"}


def agreement_figures(meta: dict[str, Any]) -> dict[str, Any]:
    """How far labelers agree with one another, as the snapshot's manifest tells: the ceiling beside the accuracy."""
    found = meta.get("agreement") or {}
    if not isinstance(found, dict) or found.get("share") is None:
        return {}
    names = {"simulated": "human_agreement_simulated", "share": "human_agreement",
             "pairs": "human_agreement_pairs", "prompts": "human_agreement_prompts",
             "low": "human_agreement_low", "high": "human_agreement_high", "rule": "human_agreement_rule"}  # fmt: skip
    return {name: found[key] for key, name in names.items() if found.get(key) is not None}


def _classes(judged: Sequence[Judged], class_of: Callable[[Group], Any]) -> list[Row]:
    rows = []
    for label in sorted({class_of(group) for group, _ in judged}):
        measured = accuracy_of([one for one in judged if class_of(one[0]) == label])
        if measured is not None:
            rows.append(_row(str(label), measured))
    return rows


def _labelers(group: Group) -> str:
    cohort = {"training": "training labelers", "held_out": "held-out labelers"}.get(group.cohort, "not known")
    return f"{group.provenance or 'human'}, {cohort}"


def _prompt(group: Group) -> str:
    return group.prompt_id or group.id


def _lengths(judged: Sequence[Judged]) -> list[Row]:
    """Accuracy by how much longer the better completion is: a model that loves length is bad where it is shorter."""
    labels = [label for _, label in _LENGTHS] + [_LONGEST]
    counts: dict[str, dict[str, tuple[float, int]]] = {label: {} for label in labels}
    prompts = {group.id: _prompt(group) for group, _ in judged}
    for group, scores in judged:
        sizes = [len(completion) for completion in group.completions]
        for better, worse in permutations(range(len(sizes)), 2):
            if group.ranks[better] < group.ranks[worse]:
                label = next((name for most, name in _LENGTHS if sizes[better] < most * sizes[worse]), _LONGEST)
                right, _ = count_pairs([scores[better], scores[worse]], [0, 1])
                before = counts[label].get(group.id, (0.0, 0))
                counts[label][group.id] = (before[0] + right, before[1] + 1)
    measured = {
        label: share_right(list(groups.values()), [prompts[id] for id in groups]) for label, groups in counts.items()
    }
    return [_row(label, found) for label, found in measured.items() if found is not None]


def _row(label: str, measured: PairAccuracy) -> Row:
    row: Row = {"label": label, "accuracy": round(measured.accuracy, 4)}
    if measured.low is not None:
        row |= {"low": round(measured.low, 4), "high": round(measured.high, 4)}
    return row | {"pairs": measured.pairs, "groups": measured.groups}
