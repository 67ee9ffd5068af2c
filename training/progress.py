"""How far a run is and how long it still takes, from what it reported last. Plain values, no Django."""

from __future__ import annotations

from datetime import datetime


def remaining_seconds(
    *, done: int, total: int | None, started_at: datetime | None, reported_at: datetime | None, now: datetime
) -> float | None:
    """Seconds left of the present phase at its rate so far; None while no rate can be told.

    The rate is measured up to the last report, so that the estimate falls between two reports of slow steps instead
    of rising.
    """
    if not done or not total or started_at is None or reported_at is None:
        return None
    elapsed = (reported_at - started_at).total_seconds()
    if elapsed <= 0:
        return None
    left = (total - done) * elapsed / done - (now - reported_at).total_seconds()
    return max(0.0, left)


def rate(*, done: int, started_at: datetime | None, reported_at: datetime | None) -> float | None:
    """Units a second of the present phase; None while it cannot be told."""
    if not done or started_at is None or reported_at is None:
        return None
    elapsed = (reported_at - started_at).total_seconds()
    return done / elapsed if elapsed > 0 else None


def spoken(seconds: float) -> str:
    """A duration in at most two units: "40 s", "3 min", "2 h 5 min", "3 d 4 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(whole / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
