"""Files in, snapshots out, batches back."""

from __future__ import annotations

from typing import cast

from django.contrib import admin, messages
from django.forms import ModelForm, ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import CompletionBatch, Import, Prompt, Snapshot
from labeling.services.snapshots import snapshot_create
from labeling.tasks import snapshot_call
from people.models import Project, User


@admin.register(Import)
class ImportAdmin(OwnedAdmin):
    """Imports. A file is uploaded on the project's data page."""

    list_display = [
        "__str__",
        "project",
        "format",
        "state",
        "problem_count",
        "requested_by",
        "created_at",
        "data_page",
    ]
    list_filter = ["project", "format", "state"]
    list_select_related = ["project", "requested_by"]
    search_fields = ["file_name"]
    fields = [
        "project",
        "file_name",
        "format",
        "on_error",
        "state",
        "error",
        "counts",
        "not_used",
        "problem_lines",
        "attempts",
        "requested_by",
        "created_at",
        "started_at",
        "finished_at",
    ]
    readonly_fields = ["not_used", "problem_lines", "attempts"]

    @admin.display(description="Data page")
    def data_page(self, job: Import) -> SafeString:
        """Where files are uploaded."""
        return format_html('<a href="{}">Open</a>', reverse("data-project", args=[job.project.slug]))

    @admin.display(description="Lines left out")
    def problem_lines(self, job: Import) -> SafeString | str:
        """The first bad lines, with the reason."""
        if not job.problems:
            return "None"
        rows = ((problem["line"], problem["reason"]) for problem in job.problems)
        return format_html_join("", "<p>Line {}: {}</p>", rows)


class FreezeForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """The project to freeze."""

    class Meta:
        model = Snapshot
        fields = ["project"]

    def clean_project(self) -> Project:
        """A project with something in it."""
        project = cast(Project, self.cleaned_data["project"])
        if not Prompt.objects.filter(project=project).exists():
            raise ValidationError(f"{project.name} has no prompts yet, so there is nothing to freeze.")
        return project


@admin.register(Snapshot)
class SnapshotAdmin(OwnedAdmin):
    """Snapshots. Adding one freezes the project as it is now."""

    form = FreezeForm
    list_display = ["__str__", "project", "state", "counts", "requested_by", "created_at", "finished_at"]
    list_filter = ["project", "state"]
    list_select_related = ["project", "requested_by"]
    search_fields = ["digest"]

    def get_fields(self, request: HttpRequest, obj: Snapshot | None = None) -> list[str]:
        """A new one asks for the project only."""
        shown = ["state", "digest", "counts", "error", "requested_by", "created_at", "started_at", "finished_at"]
        return ["project"] if obj is None else ["project", *shown]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers."""
        return manages(request, None)

    def save_model(self, request: HttpRequest, obj: Snapshot, form: ModelForm[Snapshot], change: bool) -> None:
        """Queue the snapshot."""
        obj.pk = snapshot_create(project=obj.project, user=cast(User, request.user)).pk
        snapshot_call(obj.pk)
        self.message_user(request, f"{obj.project.name} is being frozen.", messages.SUCCESS)


@admin.register(CompletionBatch)
class CompletionBatchAdmin(OwnedAdmin):
    """Batches of sampled completions. Deleting a broken one makes the platform try it again."""

    list_display = ["__str__", "project", "completions_count", "tasks_opened", "error", "imported_at"]
    list_filter = ["project"]
    list_select_related = ["project"]
    search_fields = ["digest"]
    fields = [
        "digest",
        "project",
        "completions_count",
        "tasks_opened",
        "same_text",
        "prompts_without_task",
        "error",
        "manifest",
        "imported_at",
    ]

    def has_view_permission(self, request: HttpRequest, obj: CompletionBatch | None = None) -> bool:
        """A batch without a project is for superusers."""
        if obj is not None and obj.project is None:
            return bool(cast(User, request.user).is_superuser)
        return super().has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: CompletionBatch | None = None) -> bool:
        """Broken batches only: nothing hangs on them."""
        return obj is not None and bool(obj.error) and self.has_view_permission(request, obj)
