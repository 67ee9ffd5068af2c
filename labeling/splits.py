"""The split rule: an author's prompts are all in one split, drawn once by a keyed hash (IG §3.2, "split by user").

Pure: the caller looks up whether an author has a split already, since a split is never moved.
"""

from __future__ import annotations

import hmac

RULE = "HMAC-SHA256(project, author) mod 10,000 against the project's percents; an author keeps the split first drawn"
_BUCKETS = 10_000


def split_of(author: str, *, project: str, valid_percent: int, test_percent: int) -> str:
    """The split ("train", "valid" or "test") that `author` draws in `project` (its slug).

    The lowest buckets are validation, the next ones test, the rest training. Raises ValueError for percents that are
    negative or leave nothing for training.
    """
    if valid_percent < 0 or test_percent < 0 or valid_percent + test_percent >= 100:
        raise ValueError(f"validation {valid_percent} % and test {test_percent} % must leave something for training")
    drawn = hmac.digest(project.encode(), author.encode(), "sha256")
    bucket = int.from_bytes(drawn[:8], "big") % _BUCKETS
    if bucket < valid_percent * 100:
        return "valid"
    if bucket < (valid_percent + test_percent) * 100:
        return "test"
    return "train"
