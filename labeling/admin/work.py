"""Tasks and assignments: who is asked what, and where it stands."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import Assignment, Task


@admin.register(Task)
class TaskAdmin(OwnedAdmin):
    """Tasks. A manager may change what comes first."""

    list_display = ["__str__", "project", "prompt", "priority", "lane", "taken", "wanted", "batch", "created_at"]
    list_filter = ["project", "kind"]
    list_select_related = ["project", "prompt", "batch"]
    readonly_fields = ["project", "kind", "prompt", "lane", "taken", "is_shared", "wanted", "batch", "created_at"]
    fields = ["project", "kind", "prompt", "priority", *readonly_fields[3:]]

    def has_change_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        """Managers of the project; only the priority can be changed."""
        return manages(request, self.project_of(obj))


@admin.register(Assignment)
class AssignmentAdmin(OwnedAdmin):
    """Assignments, with what is drafted and when it was taken and given back."""

    project_path = "task__project"
    list_display = ["__str__", "labeler", "state", "claimed_at", "lease_expires_at", "submitted_at", "is_extra"]
    list_filter = ["task__project", "state", "task__kind", "is_extra"]
    list_select_related = ["task__project", "labeler"]
    search_fields = ["labeler__username", "id"]
    fields = [
        "task",
        "labeler",
        "state",
        "claimed_at",
        "lease_expires_at",
        "submitted_at",
        "instructions_version",
        "shown_order",
        "draft",
        "draft_saved_at",
        "skip_reason",
        "is_extra",
    ]
