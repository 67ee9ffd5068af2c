"""Simulated labelers: their utility worked by hand, their error rate counted, their order exact when right."""

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.demo.simulated import LABELERS, ranked, utility


@pytest.mark.parametrize(
    ("answer", "demonstration", "expected"),
    [
        ("The cat sat", "the  CAT sat", 1.0),
        ("abc", "def", 0.0),
        ("", "a", 0.0),
        ("", "", 0.0),
        # letters a, b of a, b, c: 4/5; pairs ab of ab, bc: 2/3; no triple against one: 0
        ("a b", "abc", (4 / 5 + 2 / 3 + 0) / 3),
        # counts matter: letters a a of a a a: 4/5; pairs aa of aa aa: 2/3
        ("aa", "aaa", (4 / 5 + 2 / 3 + 0) / 3),
    ],
)
def test_utility(answer, demonstration, expected):
    assert utility(answer, demonstration) == pytest.approx(expected)


def test_without_errors_the_order_is_the_utilities_with_their_ties():
    values = {"w": 0.1, "x": 0.5, "y": 0.5, "z": 0.9}
    assert ranked(values, 0.0, random.Random(1)) == [["z"], ["x", "y"], ["w"]]


def test_always_wrong_is_the_order_reversed():
    assert ranked({"a": 3.0, "b": 2.0, "c": 1.0}, 1.0, random.Random(1)) == [["c"], ["b"], ["a"]]


def test_a_circle_of_judgments_is_a_tie_of_all():
    class OnePairWrong(random.Random):
        """Errs on the pair (a, c) alone: a beats b, b beats c, c beats a."""

        draws = iter([0.9, 0.1, 0.9])

        def random(self):
            return next(self.draws)

    assert ranked({"a": 3.0, "b": 2.0, "c": 1.0}, 0.5, OnePairWrong()) == [["a", "b", "c"]]


def test_one_pair_is_wrong_as_often_as_said():
    chance = random.Random(7)
    wrong = sum(ranked({"good": 1.0, "bad": 0.0}, 0.35, chance) == [["bad"], ["good"]] for _ in range(4000))
    # binomial(4000, .35): mean 1400, standard deviation 30.2; five of them
    assert abs(wrong - 1400) < 151


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0, 1), st.integers())
def test_every_completion_is_ranked_exactly_once(values, rate, seed):
    names = {f"c{i}": value for i, value in enumerate(values)}
    groups = ranked(names, rate, random.Random(seed))
    assert sorted(name for group in groups for name in group) == sorted(names)
    assert all(groups)


def test_the_order_in_which_answers_are_shown_changes_nothing():
    values = [("a", 0.3), ("b", 0.9), ("c", 0.6)]
    found = {str(ranked(dict(order), 0.3, random.Random(5))) for order in permutations(values)}
    assert len(found) == 1


def test_the_labelers_differ_in_reliability():
    rates = [labeler.error_rate for labeler in LABELERS]
    assert rates == sorted(rates)
    assert rates[0] < 0.1 < 0.3 < rates[-1] < 0.5
