"""Rewards by a rule, as GSM8K's: what counts as the wanted result, and PPO that learns it without a reward model."""

import pytest

from training.engine import rules


@pytest.mark.parametrize(
    ("completion", "wanted", "reward"),
    [
        ("48 + 24 = 72\n#### 72", "Natalia sold 48.\n#### 72", 1.0),
        ("#### 72", "72", 1.0),
        ("#### 71", "72", 0.0),
        ("The answer is 72.", "#### 72", 0.0),  # without the mark there is no result
        ("#### 1,200.00", "1200", 1.0),
        ("#### $70,000.", "#### 70000", 1.0),
        ("#### 5 #### 6", "6", 1.0),  # the last one counts
        ("#### 6\n#### 5\nso 6", "6", 0.0),
        ("####", "6", 0.0),
        ("#### Blue  whale", "blue whale", 1.0),
        ("#### nan", "nan", 1.0),  # a word, not a number
        ("#### 7 2", "72", 0.0),
        ("#### 1e1", "10", 1.0),
        ("#### -3", "3", 0.0),
    ],
)
def test_an_answer_is_right_where_its_result_is_the_wanted_one(completion, wanted, reward):
    assert rules.reward(completion, wanted) == reward
