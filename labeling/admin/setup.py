"""How a project is labeled: settings that can be changed, instructions that are only added."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField, ModelForm, ValidationError
from django.http import HttpRequest

from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import Instructions, ProjectSetup
from labeling.services.instructions import MAX_CHARACTERS, instructions_add
from labeling.services.snapshots import snapshot_create
from labeling.tasks import snapshot_call
from people.models import User
from people.refusals import Refused


@admin.register(ProjectSetup)
class ProjectSetupAdmin(OwnedAdmin):
    """The labeling settings of a project."""

    list_display = ["project", "overlap", "lease_minutes", "valid_percent", "test_percent", "open_demonstrations"]
    list_select_related = ["project"]
    search_fields = ["project__name", "project__slug"]
    fields = ["project", "overlap", "lease_minutes", "valid_percent", "test_percent", "open_demonstrations"]
    actions = ["freeze"]

    @admin.action(description="Freeze a snapshot of the selected projects")
    def freeze(self, request: HttpRequest, setups: QuerySet[ProjectSetup]) -> None:
        """Queue a snapshot of each project."""
        for setup in setups.select_related("project"):
            try:
                snapshot = snapshot_create(project=setup.project, user=cast(User, request.user))
            except Refused as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                snapshot_call(snapshot.pk)
                self.message_user(request, f"{setup.project.name} is being frozen.", messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: ProjectSetup | None = None) -> list[str]:
        """A setup stays with its project."""
        return ["project"] if obj is not None else []

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Projects that have no setup yet."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and field.queryset is not None and db_field.name == "project":
            field.queryset = field.queryset.filter(setup=None)
        return field

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers."""
        return manages(request, None)

    def has_change_permission(self, request: HttpRequest, obj: ProjectSetup | None = None) -> bool:
        """Managers of the project."""
        return manages(request, self.project_of(obj))


class InstructionsForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A new version, checked by the service's own rule."""

    class Meta:
        model = Instructions
        fields = ["project", "text", "change_note"]

    def clean_text(self) -> str:
        """A text that the service takes."""
        text = str(self.cleaned_data["text"])
        if len(text) > MAX_CHARACTERS:
            raise ValidationError(f"Instructions may have at most {MAX_CHARACTERS:,} characters.")
        return text


@admin.register(Instructions)
class InstructionsAdmin(OwnedAdmin):
    """Versions of a project's instructions. A new version is added; none is changed."""

    form = InstructionsForm
    list_display = ["project", "version", "change_note", "created_at"]
    list_filter = ["project"]
    list_select_related = ["project"]
    fields = ["project", "text", "change_note"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers."""
        return manages(request, None)

    def save_model(self, request: HttpRequest, obj: Instructions, form: ModelForm[Instructions], change: bool) -> None:
        """Add the next version; the same text again leads to the version that is there."""
        added = instructions_add(project=obj.project, text=obj.text, change_note=obj.change_note)
        obj.pk, obj.version = added.pk, added.version
