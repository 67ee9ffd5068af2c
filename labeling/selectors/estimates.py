"""How many rows a query has, without reading a million of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import QuerySet

COUNTED = 10_000


@dataclass(frozen=True)
class Rows:
    """A number of rows: counted, or what PostgreSQL's planner expects by its statistics."""

    number: int
    is_exact: bool

    def __str__(self) -> str:
        return intcomma(self.number) if self.is_exact else f"about {intcomma(self.number)}"


def rows_about(rows: QuerySet[Any], *, counted: int = COUNTED) -> Rows:
    """Count up to `counted` rows; of more, say what the planner expects, but never fewer than were seen."""
    bare = rows.order_by()
    seen = bare.values("pk")[: counted + 1].count()
    if seen <= counted:
        return Rows(seen, is_exact=True)
    expected = json.loads(bare.values("pk").explain(format="json"))[0]["Plan"]["Plan Rows"]
    return Rows(max(int(expected), seen), is_exact=False)
