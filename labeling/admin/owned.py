"""Admin pages of rows that belong to a project: for its managers and for superusers.

Staff who are no superusers see the rows of the projects that they manage, and no others. Rows can be looked at; a page
that allows more says so.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from labeling.admin.paging import BoundedPaginator, ManagedProjectFilter
from people.access import MANAGING, projects_for
from people.models import Project, User

Row = TypeVar("Row", bound=Model)


class OwnedAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Read-only pages of rows whose project is found along `project_path`."""

    project_path = "project"
    paginator = BoundedPaginator
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the projects that the person manages."""
        rows = cast(QuerySet[Any], super().get_queryset(request))
        user = cast(User, request.user)
        if user.is_superuser:
            return rows
        # As values, not as a subquery: the planner then walks the index of the list's order.
        mine = list(projects_for(user, MANAGING).values_list("pk", flat=True))
        return rows.filter(**{f"{self.project_path}__in": mine})

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Projects to filter by are those that the person manages: others are not named."""
        filters = super().get_list_filter(request)
        return [(one, ManagedProjectFilter) if one == self.project_path else one for one in filters]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers, and staff who manage some project."""
        return manages(request, None)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Managers of the row's project."""
        return manages(request, self.project_of(obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are not changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are kept."""
        return False

    def project_of(self, obj: Any) -> Project | None:
        """The project of a row; None for no row."""
        for name in self.project_path.split("__") if obj is not None else ():
            obj = getattr(obj, name)
        return cast("Project | None", obj)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Only the person's own projects can be chosen."""
        if db_field.name == "project":
            kwargs["queryset"] = projects_for(cast(User, request.user), MANAGING)
        return cast("ModelChoiceField[Any] | None", super().formfield_for_foreignkey(db_field, request, **kwargs))


def manages(request: HttpRequest, project: Project | None) -> bool:
    """Whether the person is staff and manages the project, or, for none, any project.

    What the person manages is read once a request: a list asks for each of its rows.
    """
    user = cast(User, request.user)
    if not user.is_active or not user.is_staff:
        return False
    if user.is_superuser:
        return True
    managed: set[int] | None = getattr(request, "_managed_projects", None)
    if managed is None:
        managed = set(projects_for(user, MANAGING).values_list("pk", flat=True))
        request._managed_projects = managed  # type: ignore[attr-defined]  # for the length of this request
    return bool(managed) if project is None else project.pk in managed
