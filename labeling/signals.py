"""The rule of the counts that a workplace sends about how a label came to be: bounded whole numbers, never text.

`pasted` and `typed` are characters, `pastes` is how often. They are a page's word and so a hint, not a proof.
"""

from __future__ import annotations

NAMES = ("pasted", "pastes", "typed")
LARGEST = 10_000_000


def read_signals(given: object) -> dict[str, int]:
    """The known counts of a JSON object, at most 10,000,000 each; what is none of them is left out."""
    if not isinstance(given, dict):
        return {}
    found = {}
    for name in NAMES:
        value = given.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            found[name] = min(value, LARGEST)
    return found


def focus_within(seconds: object, *, elapsed: float) -> int:
    """Seconds in focus as they may stand: a whole number from 0 to the seconds that have passed since the claim."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return 0
    return max(0, min(seconds, int(elapsed)))
