"""The split rule: one author one split, stable, in the proportions asked for."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.splits import split_of

percents = st.tuples(st.integers(0, 90), st.integers(0, 90)).filter(lambda p: sum(p) <= 90)


@given(author=st.text(), project=st.text(max_size=60), given_percents=percents)
def test_the_draw_is_the_documented_one(author, project, given_percents):
    # Worked from the rule's own words with the standard library, not by calling the code under test.
    author, project = (text.encode(errors="replace").decode() for text in (author, project))
    valid, test = given_percents
    bucket = int(hmac.new(project.encode(), author.encode(), hashlib.sha256).hexdigest()[:16], 16) % 10_000
    expected = "valid" if bucket < valid * 100 else "test" if bucket < (valid + test) * 100 else "train"
    assert split_of(author, project=project, valid_percent=valid, test_percent=test) == expected


@given(author=st.text(st.characters(codec="utf-8")), smaller=st.integers(0, 44), more=st.integers(0, 45))
def test_a_larger_validation_share_keeps_those_who_were_in_it(author, smaller, more):
    if split_of(author, project="p", valid_percent=smaller, test_percent=0) == "valid":
        assert split_of(author, project="p", valid_percent=smaller + more, test_percent=0) == "valid"


def test_shares_are_about_what_was_asked_for():
    drawn = [split_of(f"author-{n}", project="p", valid_percent=15, test_percent=5) for n in range(20_000)]
    # Standard deviations of the binomial shares: 0.25 % and 0.15 %; four of them are allowed.
    assert abs(drawn.count("valid") / 20_000 - 0.15) < 0.0101
    assert abs(drawn.count("test") / 20_000 - 0.05) < 0.0062


def test_projects_draw_independently():
    authors = [f"author-{n}" for n in range(1000)]
    one, other = (
        {a for a in authors if split_of(a, project=slug, valid_percent=50, test_percent=0) == "valid"}
        for slug in ("one", "other")
    )
    assert 180 < len(one & other) < 320  # 250 expected


@pytest.mark.parametrize(("valid", "test"), [(-1, 0), (0, -1), (50, 50), (100, 0)])
def test_shares_that_leave_nothing_are_refused(valid, test):
    with pytest.raises(ValueError, match="must leave something for training"):
        split_of("a", project="p", valid_percent=valid, test_percent=test)
