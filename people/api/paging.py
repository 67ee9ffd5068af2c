"""Lists come in pages: `?limit=` rows from `?offset=` on, within what one answer should hold."""

from __future__ import annotations

from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

_LAST = 2**31 - 1  # beyond, PostgreSQL would refuse


class Paging(LimitOffsetPagination):
    """50 rows unless asked for more, at most 1,000."""

    default_limit = 50
    max_limit = 1000

    def get_offset(self, request: Request) -> int:
        """The first row, by number."""
        return min(super().get_offset(request), _LAST)
