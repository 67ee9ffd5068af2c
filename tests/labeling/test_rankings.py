"""The pure rule of a ranking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.forms import DEFAULT_FIELDS, Field
from labeling.rankings import (
    RankingError,
    check_groups,
    check_ratings,
    check_strengths,
    doubts,
    groups_from_ranks,
    letter,
    ranks_from_groups,
    steps_in_words,
)


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


def test_where_ties_are_not_wanted_a_tie_is_refused_by_letter():
    check_groups([["b"], ["a"]], ["a", "b"], allow_ties=False)
    with pytest.raises(RankingError) as refusal:
        check_groups([["b"], ["d", "a", "c"]], ["a", "b", "c", "d"], allow_ties=False)
    assert str(refusal.value) == "This project asks for an order without ties; give A, C and D ranks of their own."


def test_ratings_are_optional_and_a_number_is_the_overall_quality():
    assert check_ratings(DEFAULT_FIELDS, {}, ["a", "b"]) == {}
    assert check_ratings(DEFAULT_FIELDS, {"a": 1, "b": {"overall": 7}}, ["a", "b"]) == {
        "a": {"overall": 1},
        "b": {"overall": 7},
    }
    assert check_ratings(DEFAULT_FIELDS, {"a": {}, "b": None}, ["a", "b"]) == {}


@pytest.mark.parametrize("rating", [0, 8, -1, True, 3.5, "4"])
def test_a_rating_outside_one_to_seven_is_refused_by_letter(rating):
    with pytest.raises(RankingError, match="Answer B: “Overall quality” is a whole number from 1 to 7"):
        check_ratings(DEFAULT_FIELDS, {"b": rating}, ["a", "b"])


def test_a_rating_of_an_unknown_completion_is_refused():
    with pytest.raises(RankingError, match="'x', which is no answer of this task"):
        check_ratings(DEFAULT_FIELDS, {"x": 4}, ["a", "b"])


def test_what_the_form_requires_is_asked_of_every_answer():
    fields = (Field("overall", "Overall quality", "scale", required=True), Field("made_up", "Made up", "flag"))
    with pytest.raises(RankingError) as refusal:
        check_ratings(fields, {"a": {"overall": 4, "made_up": True}}, ["a", "b"])
    assert str(refusal.value) == "Answer B: “Overall quality” needs an answer."


@pytest.mark.parametrize(
    ("strengths", "levels", "stands"),
    [(None, 0, None), ([], 0, None), ([None, None], 0, None), ([1, 3], 3, [1, 3]), ((4, 2), 4, [4, 2])],
)
def test_strengths_between_three_groups(strengths, levels, stands):
    assert check_strengths(strengths, [["a"], ["b"], ["c"]], levels) == stands


@pytest.mark.parametrize(
    ("strengths", "levels", "sentence"),
    [
        ([1, 2], 0, "This project does not ask how much better a rank is than the next one."),
        (None, 3, "Say how much better rank 1 is than rank 2."),
        ([1, None], 3, "Say how much better rank 2 is than rank 3."),
        ([1, 4], 3, "How much better a rank is than the next one is 1 to 3, not 4."),
        ([True, 1], 3, "How much better a rank is than the next one is 1 to 3, not True."),
        ([1, 2, 3], 3, "3 ranks have 2 steps between them, not 3."),
    ],
)
def test_strengths_that_do_not_fit_say_why(strengths, levels, sentence):
    with pytest.raises(RankingError) as refusal:
        check_strengths(strengths, [["a"], ["b"], ["c"]], levels)
    assert str(refusal.value) == sentence


def test_one_group_has_no_steps():
    assert check_strengths(None, [["a", "b"]], 3) == []
    assert steps_in_words([["A", "B"]], [], 3) == []


@pytest.mark.parametrize(
    ("strengths", "levels", "said"),
    [
        ([2, 1], 3, ["B clearly better than A and C", "A and C slightly better than D"]),
        ([2, 4], 4, ["B slightly better than A and C", "A and C much better than D"]),
        ([1, 1], 0, ["B better (strength 1) than A and C", "A and C better (strength 1) than D"]),
    ],
)
def test_strengths_in_the_words_of_the_levels_that_are_asked_for(strengths, levels, said):
    assert steps_in_words([["B"], ["A", "C"], ["D"]], strengths, levels) == said


SHOWN = ["a", "b", "c"]
AS_SHOWN = "The ranking is exactly the order in which the answers were shown."


@pytest.mark.parametrize(
    ("groups", "ratings", "all_bad", "expected"),
    [
        ([["a"], ["b"], ["c"]], {}, False, [AS_SHOWN]),
        ([["a"], ["c"], ["b"]], {}, False, []),
        ([["a"], ["b", "c"]], {}, False, []),
        ([["a", "b", "c"]], {}, False, ["All answers are tied."]),
        ([["a", "b", "c"]], {}, True, []),
        (
            [["b"], ["a"], ["c"]],
            dict.fromkeys(SHOWN, 4),
            False,
            ["All answers are rated 4, but they are ranked apart."],
        ),
        ([["b"], ["a"], ["c"]], {"a": 4, "b": 4}, False, []),
        ([["a", "b", "c"]], dict.fromkeys(SHOWN, 1), True, []),
    ],
)
def test_what_looks_untouched_is_asked_about(groups, ratings, all_bad, expected):
    given = {i: {"overall": rating} for i, rating in ratings.items()}
    assert doubts(groups, SHOWN, given, all_bad=all_bad) == expected


def test_two_answers_come_out_as_shown_too_often_to_ask():
    assert doubts([["a"], ["b"]], ["a", "b"], {}, all_bad=False) == []


def test_letters():
    assert [letter(i) for i in (0, 8, 25, 26, 27, 52)] == ["A", "I", "Z", "AA", "AB", "BA"]


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
