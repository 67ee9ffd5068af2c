"""Agreement of rankings: values worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.agreement import Agreement, agreement_ceiling, labels_after_dispute, mean_agreement, pair_agreement


@pytest.mark.parametrize(
    ("first", "second", "alike", "pairs"),
    [
        # a>b>c against a>c>b: of ab, ac, bc the last differs.
        ([["a"], ["b"], ["c"]], [["a"], ["c"], ["b"]], 2, 3),
        # Reversed: all three differ.
        ([["a"], ["b"], ["c"]], [["c"], ["b"], ["a"]], 0, 3),
        # The tie of b and c leaves ab and ac; both alike.
        ([["a"], ["b", "c"]], [["a"], ["c"], ["b"]], 2, 2),
        # All tied: nothing to compare.
        ([["a", "b", "c"]], [["a"], ["b"], ["c"]], 0, 0),
        # Only what both ranked counts.
        ([["a"], ["b"]], [["b"], ["a"], ["z"]], 0, 1),
    ],
)
def test_pairs_that_both_order_strictly_count(first, second, alike, pairs):
    assert pair_agreement(first, second) == Agreement(alike, pairs)
    assert pair_agreement(second, first) == Agreement(alike, pairs)


def test_the_share_of_nothing_is_nothing():
    assert Agreement(0, 0).share is None
    assert Agreement(2, 3).share == pytest.approx(0.6667, abs=1e-4)


def test_the_mean_is_over_pairs_of_labelers():
    one, two, three = [["a"], ["b"], ["c"]], [["a"], ["c"], ["b"]], [["c"], ["b"], ["a"]]
    # 2/3, 0/3 and, for two and three, only bc alike: 1/3.
    assert mean_agreement([one, two, three]) == pytest.approx((2 / 3 + 0 + 1 / 3) / 3)
    assert mean_agreement([one]) is None
    assert mean_agreement([one, [["a", "b", "c"]]]) is None


@given(st.permutations("abcde"), st.permutations("abcde"))
def test_agreement_with_the_reverse_is_the_rest(first, second):
    one, other = [[x] for x in first], [[x] for x in second]
    share, reverse = pair_agreement(one, other), pair_agreement(one, other[::-1])
    assert share.pairs == reverse.pairs == 10
    assert share.alike + reverse.alike == 10


@pytest.mark.parametrize(
    ("labels", "wanted", "agreement", "limit", "expected"),
    [
        (2, 2, 0.5, 4, 3),  # all are in and they disagree
        (2, 2, 0.6, 4, 2),  # the floor itself is agreement enough
        (1, 2, None, 4, 2),  # one is missing yet
        (1, 1, None, 4, 1),  # nobody to disagree with
        (2, 2, None, 4, 2),  # nothing but ties
        (3, 3, 0.1, 4, 4),
        (4, 4, 0.1, 4, 4),  # the bound
        (5, 4, 0.1, 4, 4),  # beyond it, by a late label
    ],
)
def test_one_more_label_where_people_disagree_up_to_a_bound(labels, wanted, agreement, limit, expected):
    assert labels_after_dispute(labels=labels, wanted=wanted, agreement=agreement, floor=0.6, limit=limit) == expected


def test_the_ceiling_is_over_all_pairs_with_prompts_as_clusters():
    """Three of three pairs alike on one prompt, none of one on another, nothing to compare on the third: 3 of 4.

    Residuals alike − share·pairs are 3 − .75·3 = .75 and 0 − .75·1 = −.75; the variance of the share is
    2/(2 − 1) · (.5625 + .5625) / 4² = .140625, its root .375.
    """
    abc, tied = [["a"], ["b"], ["c"]], [["a", "b"]]
    found = agreement_ceiling([[abc, abc], [[["a"], ["b"]], [["b"], ["a"]]], [tied, [["a"], ["b"]]]])
    assert (found.share, found.pairs, found.prompts) == (0.75, 4, 2)
    assert (found.low, found.high) == (pytest.approx(0.75 - 1.96 * 0.375), 1.0)


def test_three_people_are_compared_two_by_two():
    one, two, three = [["a"], ["b"], ["c"]], [["a"], ["c"], ["b"]], [["c"], ["b"], ["a"]]
    found = agreement_ceiling([[one, two, three]])
    assert (found.share, found.pairs) == (pytest.approx(3 / 9), 9)
    assert (found.low, found.high) == (None, None)


def test_without_two_people_there_is_no_ceiling():
    assert agreement_ceiling([]) is None
    assert agreement_ceiling([[[["a"], ["b"]]], []]) is None
