"""How far a job is that runs now. Kept in the cache, since the job's own transaction shows nothing before it ends."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.cache import cache
from redis.exceptions import RedisError

from labeling.models import CurationStep, Import

Job = Import | CurationStep


@dataclass(frozen=True)
class Underway:
    """`done` of `total` units (bytes of a file, prompts of a project), `seconds` after the first of them."""

    done: int
    total: int
    seconds: float

    @property
    def percent(self) -> int:
        """Whole percents, 100 only at the end."""
        return min(100, self.done * 100 // self.total) if self.total else 0

    @property
    def rate(self) -> float | None:
        """Units a second; None in the first moment."""
        return self.done / self.seconds if self.seconds >= 1 and self.done else None

    @property
    def remaining(self) -> float | None:
        """Seconds that the rest takes at the same rate."""
        return max(0, self.total - self.done) / self.rate if self.rate else None


def underway_key(job: Job) -> str:
    """Under what the progress of the job is kept."""
    return f"underway:{job._meta.label_lower}:{job.pk}"


def underway_of(jobs: Iterable[Job]) -> dict[int, Underway]:
    """The progress of those jobs that have reported any, by id; nothing when the cache is away."""
    keys = {underway_key(job): job.pk for job in jobs}
    if not keys:
        return {}
    try:
        found = cache.get_many(list(keys))
    except RedisError:
        return {}
    return {keys[key]: Underway(done, total, time.time() - since) for key, (done, total, since) in found.items()}
