"""Lists of the admin over a million rows: no page counts all of them, no filter reads all for its choices."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.admin import ModelAdmin, RelatedFieldListFilter
from django.core.paginator import Paginator
from django.db.models import Field, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from people.access import MANAGING, projects_for
from people.models import User

REACHABLE = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Pages through the first rows of a list; whoever looks for another one filters or searches.

    Counting a million rows takes longer than reading a page of them, and a page far down has to walk over all before.
    """

    template_name = "admin/labeling/pages.html"

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through: all of them, or the first 10,000."""
        return min(self._counted, REACHABLE)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than can be paged through."""
        return self._counted > REACHABLE

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[: REACHABLE + 1].count()


class ManagedProjectFilter(RelatedFieldListFilter):
    """Projects to filter by: those that the person manages, without a look at the rows of the list."""

    def field_choices(self, field: Field[Any, Any], request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[Any]:
        """Each project's key and name."""
        projects = projects_for(cast(User, request.user), MANAGING).order_by("name")
        return [(str(project.pk), project.name) for project in projects]
