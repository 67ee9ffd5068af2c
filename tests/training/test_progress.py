"""Remaining time and its words."""

from datetime import UTC, datetime, timedelta

import pytest

from training.progress import rate, remaining_seconds, spoken

START = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_the_rate_so_far_tells_the_rest():
    # 10 of 40 in 20 s: 2 s each, 30 left.
    left = remaining_seconds(done=10, total=40, started_at=START, reported_at=after(20), now=after(20))
    assert left == 60
    assert rate(done=10, started_at=START, reported_at=after(20)) == 0.5


def test_between_two_reports_the_rest_falls():
    left = remaining_seconds(done=10, total=40, started_at=START, reported_at=after(20), now=after(25))
    assert left == 55


def test_a_step_that_takes_longer_than_expected_does_not_turn_negative():
    assert remaining_seconds(done=39, total=40, started_at=START, reported_at=after(39), now=after(100)) == 0


@pytest.mark.parametrize(
    "change", [{"done": 0}, {"total": None}, {"started_at": None}, {"reported_at": None}, {"reported_at": START}]
)
def test_no_rate_no_estimate(change):
    known = {"done": 1, "total": 2, "started_at": START, "reported_at": after(1), "now": after(1)}
    assert remaining_seconds(**{**known, **change}) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (150, "2 min"), (3599, "1 h"), (3600, "1 h"), (7500, "2 h 5 min"),
        (86400, "1 d"), (100_000, "1 d 4 h"),
    ],
)  # fmt: skip
def test_words(seconds, words):
    assert spoken(seconds) == words
