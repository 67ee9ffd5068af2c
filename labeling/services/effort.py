"""What a workplace measured while a label came to be: time in focus, and counts such as of pasted characters."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils import timezone

from labeling.models import Assignment
from labeling.signals import focus_within, read_signals


def effort_note(
    *, assignment: Assignment, focus_seconds: int = 0, signals: Mapping[str, object] | None = None
) -> Assignment:
    """Set both on the assignment, which the caller saves. Neither ever falls: a page that was reloaded or a second tab
    may know less than was noted before. Time in focus is at most the time since the claim.
    """
    elapsed = (timezone.now() - assignment.claimed_at).total_seconds()
    assignment.focus_seconds = max(assignment.focus_seconds, focus_within(focus_seconds, elapsed=elapsed))
    noted, given = read_signals(assignment.signals), read_signals(dict(signals or {}))
    assignment.signals = {name: max(noted.get(name, 0), given.get(name, 0)) for name in {**noted, **given}}
    return assignment
