"""The pure rule of a ranking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.rankings import RankingError, check_groups, check_ratings, groups_from_ranks, ranks_from_groups


@pytest.mark.parametrize("groups", [[["a"], ["b"], ["c"]], [["c", "a"], ["b"]], [["a", "b", "c"]]])
def test_each_completion_once_is_a_ranking_ties_included(groups):
    check_groups(groups, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("groups", "known", "sentence"),
    [
        ([["a"], ["b"]], ["a", "b", "c"], "1 of 3 answers is not ranked yet; place every answer."),
        ([], ["a", "b", "c"], "3 of 3 answers are not ranked yet; place every answer."),
        ([["a"], ["b"], ["a"]], ["a", "b"], "The ranking names 'a' twice; each answer has one rank."),
        ([["a", "a"], ["b"]], ["a", "b"], "The ranking names 'a' twice; each answer has one rank."),
        ([["a"], [], ["b"]], ["a", "b"], "Rank 2 is empty; leave empty ranks out."),
        ([["a"], ["b"], ["x"]], ["a", "b"], "The ranking names 'x', which is no answer of this task."),
        ([["a"]], ["a"], "A ranking needs at least 2 answers; this task has 1."),
        ([], [], "A ranking needs at least 2 answers; this task has 0."),
    ],
)
def test_what_is_no_ranking_says_why(groups, known, sentence):
    with pytest.raises(RankingError) as refusal:
        check_groups(groups, known)
    assert str(refusal.value) == sentence


def test_ratings_are_optional_and_bounded():
    check_ratings({}, ["a", "b"])
    check_ratings({"a": 1, "b": 7}, ["a", "b"])


@pytest.mark.parametrize("rating", [0, 8, -1, True, 3.5, "4", None])
def test_a_rating_outside_one_to_seven_is_refused(rating):
    with pytest.raises(RankingError, match="A rating is a whole number from 1 to 7"):
        check_ratings({"a": rating}, ["a", "b"])


def test_a_rating_of_an_unknown_completion_is_refused():
    with pytest.raises(RankingError, match="'x', which is no answer of this task"):
        check_ratings({"x": 4}, ["a", "b"])


def test_gaps_between_ranks_close_and_equal_ranks_tie():
    assert groups_from_ranks({"a": 1, "b": 4, "c": 1, "d": 2}) == [["a", "c"], ["d"], ["b"]]
    assert groups_from_ranks({}) == []


def test_ranks_start_at_zero_and_ties_share():
    assert ranks_from_groups([["a", "c"], ["d"], ["b"]]) == {"a": 0, "c": 0, "d": 1, "b": 2}


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 9), min_size=2, max_size=9))
def test_any_full_set_of_ranks_gives_a_valid_ranking_that_keeps_every_comparison(ranks):
    groups = groups_from_ranks(ranks)
    check_groups(groups, list(ranks))
    back = ranks_from_groups(groups)
    assert sorted(set(back.values())) == list(range(len(groups)))
    for a in ranks:
        for b in ranks:
            assert (back[a] < back[b]) == (ranks[a] < ranks[b])
