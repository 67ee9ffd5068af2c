"""The rules of duplicates on values worked by hand."""

from __future__ import annotations

import pytest

from labeling.dedup import (
    band_keys,
    common_prefix,
    exact_key,
    jaccard,
    normalised,
    prefix_groups,
    prefix_text,
    shingles,
)


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("  What\n is\tRAIN? ", "what is rain?"),
        ("ﬁve ½", "five 1⁄2"),
        ("STRASSE Straße", "strasse strasse"),
        ("a\u00a0b\u2003c", "a b c"),
        ("e\u0301", "\u00e9"),
        ("", ""),
    ],
)
def test_what_means_nothing_to_a_reader_is_left_out(text, same):
    assert normalised(text) == same


def test_keys_hold_turns_and_roles_apart():
    assert exact_key(said("A", "b")) == exact_key(said("a ", "B"))
    assert exact_key(said("a", "b")) != exact_key(said("a b"))
    assert exact_key(said("a")) != exact_key([{"role": "system", "content": "a"}])
    assert len(exact_key(said("a"))) == 16


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [("", "", 0), ("a", "b", 0), ("abc", "abd", 2), ("abc", "abc", 3), ("abc", "abcdef", 3), ("xabc", "yabc", 0)],
)
def test_common_beginnings(one, other, length):
    assert common_prefix(one, other) == common_prefix(other, one) == length


def test_groups_of_neighbours_by_hand():
    rows = [(name, "000001\x1e" + text) for name, text in [("a", "abcX"), ("b", "abcY"), ("c", "abd"), ("d", "x")]]
    # a and b share abc, b and c share ab; d shares nothing.
    assert list(prefix_groups(rows, min_characters=3, min_share=0)) == [("a", 1), ("b", 1)]
    assert list(prefix_groups(rows, min_characters=2, min_share=0)) == [("a", 1), ("b", 1), ("c", 1)]
    # ab is two thirds of abd.
    assert list(prefix_groups(rows, min_characters=2, min_share=0.7)) == [("a", 1), ("b", 1)]
    two = [*rows, ("e", "000001\x1exyz1"), ("f", "000001\x1exyz2")]
    assert list(prefix_groups(two, min_characters=3, min_share=0)) == [("a", 1), ("b", 1), ("e", 2), ("f", 2)]


def test_the_number_of_turns_is_no_part_of_the_beginning():
    rows = sorted((prefix_text(said(*texts)), name) for name, texts in [("a", ("q",)), ("b", ("q", "r"))])
    assert not list(prefix_groups([(name, text) for text, name in rows], min_characters=1, min_share=0))
    empty = [("a", "000001\x1e"), ("b", "000001\x1e")]
    assert not list(prefix_groups(empty, min_characters=0, min_share=0))


def test_runs_of_five_words_and_their_likeness():
    assert shingles(said("a b c d e f")) == {"a b c d e", "b c d e f"}
    assert shingles(said("A, b!")) == {"a b"}
    assert shingles(said("?!")) == set()
    # Two runs each, one in common: a third.
    assert jaccard(shingles(said("a b c d e f")), shingles(said("x b c d e f"))) == pytest.approx(1 / 3)
    assert jaccard({"a"}, {"a"}) == 1
    assert jaccard(set(), set()) == 0


def test_scripts_without_spaces_have_words_too():
    assert shingles(said("写一首关于春")) == {"写 一 首 关 于", "一 首 关 于 春"}


def test_bands_are_the_same_each_time_and_meet_where_texts_are_alike():
    words = [f"w{n}" for n in range(200)]
    almost = [*words[:100], "x", *words[101:]]  # 5 of 196 runs differ: 191 of 201 in common
    rows = [
        ("a", shingles(said(" ".join(words)))),
        ("b", shingles(said(" ".join(almost)))),
        ("c", shingles(said(" ".join(reversed(words))))),
        ("d", set()),
    ]
    keys = dict(band_keys(rows, threshold=0.8))
    assert dict(band_keys(rows, threshold=0.8)) == keys
    assert keys["d"] == []
    assert any(one == other for one, other in zip(keys["a"], keys["b"], strict=True))
    assert not any(one == other for one, other in zip(keys["a"], keys["c"], strict=True))
    assert all(-(2**63) <= key < 2**63 for key in keys["a"])
