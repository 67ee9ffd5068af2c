"""Telling how far a job is, for whoever looks at its page."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache
from redis.exceptions import RedisError

from labeling.selectors.underway import Job, underway_key

logger = logging.getLogger(__name__)

_KEPT = 300  # seconds: a job that says nothing for longer is not shown as moving
_PAUSE = 0.5  # seconds between two reports


class Reporter:
    """Reports of one job, a few a second at most. A cache that is away costs the reports, not the job."""

    def __init__(self, job: Job, *, total: int) -> None:
        self._key = underway_key(job)
        self._total = total
        self._since = time.time()
        self._next = 0.0
        self.report(0)

    def report(self, done: int) -> None:
        """`done` units of the total are behind us."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE
        try:
            cache.set(self._key, (done, self._total, self._since), timeout=_KEPT)
        except RedisError as error:
            logger.warning("The cache is away, so progress is not shown: %s", error)
            self._next = time.monotonic() + 30

    def end(self) -> None:
        """There is nothing more to follow."""
        try:
            cache.delete(self._key)
        except RedisError as error:
            logger.warning("The cache is away: %s", error)
