"""What is said of a reward model: τ, calibration, tables and the human ceiling, by hand or by SciPy."""

import math
import random

import pytest
from scipy.stats import kendalltau

from training.engine.accuracy import kendall_tau, tied_pairs
from training.engine.calibration import calibration_bins, calibration_error, confidences
from training.engine.data import Group
from training.engine.folds import left_out_labelers
from training.engine.reward_report import agreement_figures, fold_figures, report


def group(name, ranks, lengths=None, **values):
    lengths = lengths or [2] * len(ranks)
    return Group(name, [5], [[7] * length for length in lengths], ranks, **values)


@pytest.mark.oracle(19)
def test_tau_of_a_perfect_ranking_is_1_and_of_its_opposite_minus_1():
    assert kendall_tau([4.0, 3.0, 2.0, 1.0], [0, 1, 2, 3]) == pytest.approx(1)
    assert kendall_tau([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3]) == pytest.approx(-1)
    assert kendall_tau([1.0, 1.0], [0, 1]) is None
    assert kendall_tau([1.0, 2.0], [0, 0]) is None


def test_tau_is_scipys_with_ties_on_both_sides():
    rng = random.Random(3)
    for _ in range(200):
        k = rng.randint(2, 9)
        scores, ranks = [rng.choice([0.0, 0.5, 1.0, 2.5]) for _ in range(k)], [rng.randint(0, 3) for _ in range(k)]
        theirs = kendalltau(scores, [-rank for rank in ranks]).statistic
        ours = kendall_tau(scores, ranks)
        assert ours is None if math.isnan(theirs) else ours == pytest.approx(theirs, abs=1e-12)


def test_tied_pairs_by_hand():
    assert [tied_pairs(ranks) for ranks in ([0, 1, 2], [0, 0, 1], [0, 0, 0, 1, 1])] == [0, 1, 4]


@pytest.mark.oracle(19)
def test_confidences_and_bins_by_hand():
    """Δ of 0, ln 3 and −ln 3 in a ranking 0 < 1 < 2 (scores 0, 0, −ln 3 give σ of ½, ¾, ¾)."""
    third = math.log(3)
    pairs = confidences([0.0, 0.0, -third], [0, 2, 1])
    assert sorted(pairs) == [
        (0.5, 0.5), (pytest.approx(0.75), 0.0), (pytest.approx(0.75), 1.0),
    ]  # fmt: skip
    bins = calibration_bins(pairs)
    assert [(one.pairs, one.right) for one in bins] == [(1, 0.5), (2, 0.5)]
    assert [one.confidence for one in bins] == pytest.approx([0.5, 0.75])
    assert calibration_error(bins) == pytest.approx((0 + 2 * 0.25) / 3)
    assert calibration_error([]) is None


@pytest.mark.oracle(19)
def test_scores_that_are_the_truth_are_calibrated():
    """Bradley-Terry choices by known utilities: the mean confidence is the share of pairs that the scores win.

    A win is a draw of variance c (1 − c) ≤ ¼, so the mean of n = 20,000 lies within 3 · ½ / √n = .0107 of its chance.
    """
    n, rng = 20_000, random.Random(7)
    chances, wins = [], []
    found: dict[int, list[tuple[float, float]]] = {1: [], 3: []}
    for _ in range(n):
        one, other = rng.gauss(0, 1.5), rng.gauss(0, 1.5)
        won = rng.random() < 1 / (1 + math.exp(other - one))
        chances.append(1 / (1 + math.exp(-abs(one - other))))
        wins.append(won == (one > other))
        for scale, pairs in found.items():
            pairs += confidences([scale * one, scale * other], [0, 1] if won else [1, 0])
    within = 3 * 0.5 / math.sqrt(n)
    confidence, right = (sum(column) / n for column in zip(*found[1], strict=True))
    assert len(found[1]) == n
    assert confidence == pytest.approx(sum(chances) / n, abs=1e-12)
    assert right == sum(wins) / n
    assert confidence == pytest.approx(right, abs=within)
    assert calibration_error(calibration_bins(found[1])) < 0.015
    certain, as_right = (sum(column) / n for column in zip(*found[3], strict=True))
    assert as_right == right
    assert certain > right + 5 * within  # scores three times as large are overconfident
    assert calibration_error(calibration_bins(found[3])) > 0.05


def test_the_tables_count_each_class():
    judged = [
        (group("a", [0, 1, 2], [1, 2, 4], category="chat", cohort="training", provenance="human"), [3.0, 2.0, 1.0]),
        (group("b", [0, 1], [5, 5], category="chat", cohort="held_out", provenance="human"), [0.0, 1.0]),
        (group("c", [0, 0, 1], [4, 1, 1], category="", provenance="imported"), [1.0, 0.0, 0.0]),
    ]
    found = report(judged)
    # Right: 3 of 3; 0 of 1; 1 and ½ of 2, the tie left out.
    assert (found["valid_accuracy"], found["valid_pairs"], found["valid_groups"]) == (0.75, 6, 3)
    assert (found["valid_tied_pairs"], found["valid_accuracy_ties_half"]) == (1, pytest.approx(5 / 7, abs=1e-5))
    # τ: 1, −1, and (1 + ½ − ½)/√(2 · 2) with the tie of the scores.
    assert found["kendall_tau"] == pytest.approx((1 - 1 + 0.5) / 3, abs=1e-5)
    tables = found["tables"]
    assert [(r["label"], r["accuracy"], r["pairs"], r["groups"]) for r in tables["answers"]] == [
        ("2", 0.0, 1, 1), ("3", 0.9, 5, 2),
    ]  # fmt: skip
    assert [(r["label"], r["accuracy"], r["pairs"]) for r in tables["category"]] == [
        ("chat", 0.75, 4),
        ("none", 0.75, 2),
    ]
    assert [(r["label"], r["accuracy"]) for r in tables["labelers"]] == [
        ("human, held-out labelers", 0.0), ("human, training labelers", 1.0), ("imported, not known", 0.75),
    ]  # fmt: skip
    # The better is 1/2, 1/4, 2/4 of the worse (a); 5/5 (b); 4/1 and 1/1 (c).
    assert [(r["label"], r["accuracy"], r["pairs"]) for r in tables["length"]] == [
        ("under half as long", 1.0, 1), ("shorter", 1.0, 2), ("about as long", 0.25, 2),
        ("over twice as long", 1.0, 1),
    ]  # fmt: skip
    assert sum(row["pairs"] for row in tables["calibration"]) == 6
    assert found["valid_loss"] == pytest.approx(
        ((2 * math.log1p(math.exp(-1)) + math.log1p(math.exp(-2))) / 3 + math.log1p(math.exp(1))
         + (math.log1p(math.exp(-1)) + math.log(2)) / 2) / 3, abs=1e-5,
    )  # fmt: skip


def test_two_rankings_of_one_prompt_are_one_draw():
    """Of one prompt alone there is nothing to resample, however many people ranked it; a second prompt makes two."""
    one = [(group(name, [0, 1], prompt_id="p"), [float(name == "a"), 0.5]) for name in ("a", "b")]
    other = (group("c", [0, 1], prompt_id="q"), [1.0, 0.0])
    found = report(one)
    assert (found["valid_accuracy"], found["valid_pairs"], found["valid_groups"]) == (0.5, 2, 2)
    assert "valid_accuracy_low" not in found
    assert "fold_low" not in fold_figures(one)
    rows = [row for name in ("answers", "category", "labelers", "length") for row in found["tables"][name]]
    assert len(rows) == 4
    assert not any("low" in row for row in rows)
    # Draws of (1 of 2, 1 of 1): both the first ½, one of each ⅔, both the second 1.
    assert {report([*one, other])[f"valid_accuracy_{end}"] for end in ("low", "high")} == {0.5, 1.0}
    assert {fold_figures([*one, other])[f"fold_{end}"] for end in ("low", "high")} == {0.5, 1.0}


def test_rankings_of_simulated_labelers_are_counted_where_they_have_an_order():
    judged = [
        (group("a", [0, 1], provenance="simulated"), [1.0, 0.0]),
        (group("b", [0, 0], provenance="simulated"), [1.0, 0.0]),
        (group("e", [1, 0], provenance="simulated"), [1.0, 0.0]),
        (group("c", [0, 1], provenance="human"), [1.0, 0.0]),
        (group("d", [1, 0], provenance="imported"), [1.0, 0.0]),
    ]
    found = report(judged)
    assert (found["valid_groups"], found["valid_simulated_groups"]) == (4, 2)


def test_without_an_ordered_pair_nothing_is_said():
    assert report([]) == {}
    assert report([(group("a", [0, 0]), [1.0, 2.0])]) == {}
    assert fold_figures([]) == {}


def test_the_human_ceiling_comes_from_the_snapshot():
    meta = {"agreement": {"share": 0.726, "pairs": 900, "prompts": 40, "low": 0.69, "high": None, "rule": "r"}}
    assert agreement_figures(meta) == {
        "human_agreement": 0.726, "human_agreement_pairs": 900, "human_agreement_prompts": 40,
        "human_agreement_low": 0.69, "human_agreement_rule": "r",
    }  # fmt: skip
    assert agreement_figures({}) == {}
    assert agreement_figures({"agreement": {}}) == {}


def test_every_labeler_is_left_out_of_exactly_one_fold():
    people = [f"p{n}" for n in range(12)]
    groups = [left_out_labelers([*people, ""], folds=5, fold=fold) for fold in range(5)]
    assert sorted(name for one in groups for name in one) == sorted(people)
    assert sorted(map(len, groups)) == [2, 2, 2, 3, 3]
    assert groups[0] == left_out_labelers(reversed(people), folds=5, fold=0)
