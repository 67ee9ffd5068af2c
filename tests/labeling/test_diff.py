"""The pure rule of a word-level difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.diff import MOST, Piece, difference, share_kept


def pieces(old: str, new: str) -> list[tuple[str, str]]:
    return [(piece.kind, piece.text) for piece in difference(old, new)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("same words", "same words", [("same", "same words")]),
        ("", "all new", [("in", "all new")]),
        ("all gone", "", [("out", "all gone")]),
        ("a b c", "a x c", [("same", "a "), ("out", "b "), ("in", "x "), ("same", "c")]),
        ("b c", "a b c", [("in", "a "), ("same", "b c")]),
        ("a b", "a b c", [("same", "a b "), ("in", "c")]),
        ("a", "a b", [("same", "a "), ("in", "b")]),
        ("b b a b", "a", [("out", "b b "), ("same", "a "), ("out", "b")]),
        ("a  b\nc", "a b c", [("same", "a b c")]),
        ("العالم كبير", "العالم صغير", [("same", "العالم "), ("out", "كبير"), ("in", "صغير")]),
        ("👩‍🚀 flies", "👩‍🚀 lands", [("same", "👩‍🚀 "), ("out", "flies"), ("in", "lands")]),
    ],
)
def test_the_pieces(old, new, expected):
    assert pieces(old, new) == expected


def test_a_lone_word_between_two_long_changes_is_part_of_the_change():
    assert pieces("p q r s the t u v w", "1 2 3 4 the 5 6 7 8") == [
        ("out", "p q r s the t u v w"),
        ("in", "1 2 3 4 the 5 6 7 8"),
    ]


words = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12).map(" ".join)


@given(words, words)
def test_it_spells_both_texts_and_keeps_as_much_as_can_be_kept(old, new):
    found = difference(old, new)
    spelled = {
        kind: " ".join(
            "".join(p.text if p.text.endswith(" ") else p.text + " " for p in found if p.kind != kind).split()
        )
        for kind in ("in", "out")
    }
    assert spelled == {"in": old, "out": new}
    # The longest common subsequence by the textbook table; a lone word between long changes may be given up.
    x, y = old.split(), new.split()
    table = [[0] * (len(y) + 1) for _ in range(len(x) + 1)]
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    kept = sum(len(p.text.split()) for p in found if p.kind == "same")
    assert kept <= table[-1][-1]
    if len(x) + len(y) < 8:
        assert kept == table[-1][-1]


def test_beyond_the_bound_lines_are_compared_and_beyond_that_the_whole():
    kept = "a line that stays\n"
    old, new = kept + "x " * (MOST + 1) + "\nend\n", kept + "y " * (MOST + 1) + "\nend\n"
    assert [piece.kind for piece in difference(old, new)] == ["same", "out", "in", "same"]
    old, new = "x\n" * (MOST + 1), "y\n" * (MOST + 1)
    assert difference(old, new) == [Piece("out", old), Piece("in", new)]


def test_how_much_is_kept():
    assert share_kept(difference("", "")) == 1.0
    assert share_kept(difference("ab", "ab")) == 1.0
    assert share_kept(difference("ab", "cd")) == 0.0
    # "a " is kept in both (4 of 6 characters), "b" and "c" are not.
    assert share_kept(difference("a b", "a c")) == pytest.approx(4 / 6)
