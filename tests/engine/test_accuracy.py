"""Pair accuracy by hand: the tie rule, the counts and the interval over groups."""

import pytest

from training.engine.accuracy import count_pairs, pair_accuracy


@pytest.mark.oracle(19)
@pytest.mark.parametrize(
    ("scores", "ranks", "expected"),
    [
        ([3.0, 2.0, 1.0], [0, 1, 2], (3.0, 3)),
        ([1.0, 2.0, 3.0], [0, 1, 2], (0.0, 3)),
        ([2.0, 3.0, 1.0], [0, 1, 2], (2.0, 3)),
        ([5.0, 1.0, 0.0], [0, 0, 1], (2.0, 2)),  # the tied pair is left out
        ([1.0, 1.0], [0, 1], (0.5, 1)),  # equal scores count half
        ([1.0, 2.0], [0, 0], (0.0, 0)),
    ],
)
def test_count_pairs(scores, ranks, expected):
    assert count_pairs(scores, ranks) == expected


@pytest.mark.oracle(19)
def test_accuracy_counts_pairs_and_groups():
    measured = pair_accuracy([([3.0, 2.0, 1.0], [0, 1, 2]), ([0.0, 1.0], [0, 1]), ([0.0, 1.0], [0, 0])])
    assert (measured.accuracy, measured.pairs, measured.groups) == (0.75, 4, 2)


def test_interval_resamples_whole_groups():
    """One group of three pairs all right and one of a single pair wrong: resamples give 1, 3/4 or 0, at ¼, ½, ¼."""
    measured = pair_accuracy([([3.0, 2.0, 1.0], [0, 1, 2]), ([0.0, 1.0], [0, 1])])
    assert (measured.low, measured.high) == (0.0, 1.0)
    alike = pair_accuracy([([3.0, 1.0, 2.0], [0, 1, 2])] * 5)
    assert (alike.low, alike.high) == pytest.approx((2 / 3, 2 / 3))


def test_rankings_of_one_prompt_are_resampled_together():
    """Two prompts, one of two rankings: all right with three pairs each, and one pair wrong. Resamples give 1, 6/7 or
    0; rankings apart would also give 3/4. A prompt alone has no interval, however many ranked it."""
    groups = [([3.0, 2.0, 1.0], [0, 1, 2]), ([3.0, 2.0, 1.0], [0, 1, 2]), ([0.0, 1.0], [0, 1])]
    measured = pair_accuracy(groups, ["a", "a", "b"])
    assert (measured.accuracy, measured.pairs, measured.groups) == (pytest.approx(6 / 7), 7, 3)
    assert (measured.low, measured.high) == (0.0, 1.0)
    assert pair_accuracy(groups[:2] * 9, ["a"] * 18).low is None
    alike = pair_accuracy(groups * 3, ["a", "a", "a"] * 3)
    assert (alike.accuracy, alike.low) == (pytest.approx(6 / 7), None)


def test_one_group_has_no_interval_and_none_no_accuracy():
    assert pair_accuracy([([1.0, 0.0], [0, 1])]).low is None
    assert pair_accuracy([([1.0, 0.0], [0, 0])]) is None
    assert pair_accuracy([]) is None
