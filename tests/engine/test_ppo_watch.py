"""Signs of a policy that only pleases its judge."""

import pytest

from training.engine import watch


def iteration(reward, length=10.0, distinct=0.8, kl=1.0):
    return {"reward": reward, "mean_length": length, "distinct_2": distinct, "kl": kl}


def test_distinct_pairs_by_hand():
    """a b a b has ab, ba, ab; b c has bc; one token has none: 3 different of 4."""
    pairs, count = watch.distinct([[1, 2, 1, 2], [2, 3], [5]])
    assert (pairs, count) == ({(1, 2), (2, 1), (2, 3)}, 4)
    assert watch.distinct([[1, 2, 1, 2]], n=3)[1] == 2


def test_length_that_explodes_while_the_reward_rises_is_told():
    history = [iteration(0.0, 10)] * 5 + [iteration(1.0, 16)] * 5
    assert set(watch.warnings(history)) == {"length"}
    assert "1.6 times as long" in watch.warnings(history)["length"]


def test_repetition_while_the_reward_rises_is_told():
    history = [iteration(0.0)] * 5 + [iteration(1.0, distinct=0.3)] * 5
    assert "only 30% of the answers' word pairs are different, where 80%" in watch.warnings(history)["diversity"]


@pytest.mark.parametrize(
    "last",
    [
        iteration(1.0, 14.9),  # less than half as long again
        iteration(-1.0, 30, 0.1),  # the reward falls: nothing is gained by it
        iteration(1.0, 10, 0.41),
    ],
)
def test_what_is_no_sign_is_not_told(last):
    assert watch.warnings([iteration(0.0)] * 5 + [last] * 5) == {}


def test_a_first_iteration_is_compared_with_nothing_and_an_iteration_without_numbers_is_left_out():
    assert watch.warnings([iteration(0.0)]) == {}
    lost = iteration(float("nan"), 10)
    assert set(watch.warnings([iteration(0.0), lost, lost, iteration(1.0, 30)])) == {"length"}


def test_a_reward_that_fell_by_more_than_its_margin_is_told():
    assert watch.fell(-0.5, 0.4).startswith("The held-out reward fell by 0.5 ± 0.4")
    assert watch.fell(-0.5, 0.5) is None
    assert watch.fell(0.5, 0.1) is None
    assert watch.fell(-0.5, 0.0) is None, "one prompt has no margin"
