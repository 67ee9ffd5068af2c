"""The labeling settings of a project, in groups, with what a change of them would do."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField, ModelForm, MultipleChoiceField
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import ProjectSetup, Task
from labeling.models.setup import every_kind
from labeling.selectors.effects import setup_effects
from labeling.services.projects import SETTINGS, project_setup_update
from labeling.services.snapshots import snapshot_create
from labeling.tasks import snapshot_call
from people.models import User
from people.refusals import Refused


class SetupForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """The settings, with the kinds of task to tick."""

    kinds = MultipleChoiceField(
        label="Kinds of task",
        choices=Task.Kind.choices,
        initial=every_kind,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Kinds of task that are handed out. Those of other kinds wait.",
        error_messages={"required": "A project hands out at least one kind of task."},
    )

    class Meta:
        model = ProjectSetup
        fields = ["project", *SETTINGS]
        labels = {
            "strength_levels": "Strength between ranks",
            "open_demonstrations": "Ask for demonstrations",
            "overlap": "Labels for a shared task",
            "shared_percent": "Shared tasks, percent",
            "max_labels": "Most labels where people disagree",
            "agreement_floor": "Agreement floor, percent",
            "skills_by": "Skills asked for",
            "lease_minutes": "Lease, minutes",
            "open_cap": "Open tasks of one person",
            "daily_cap": "Labels of one person a day",
            "edit_window_hours": "Time to correct, hours",
            "split_by": "Stay together by",
            "valid_percent": "Validation split, percent",
            "test_percent": "Test split, percent",
            "keep_originals": "Keep masked originals",
        }


@admin.register(ProjectSetup)
class ProjectSetupAdmin(OwnedAdmin):
    """The labeling settings of a project."""

    form = SetupForm
    list_display = ["project", "answers_per_task", "overlap", "shared_percent", "max_labels", "priority"]
    list_select_related = ["project"]
    search_fields = ["project__name", "project__slug"]
    change_form_after_template = "admin/labeling/setup_effects.html"

    fieldsets = [
        (None, {"fields": ["project"]}),
        (
            "What is asked",
            {
                "fields": ["kinds", "answers_per_task", "allow_ties", "strength_levels", "open_demonstrations"],
                "description": "The rating form and the instructions have pages of their own.",
            },
        ),
        (
            "How many labels",
            {
                "fields": ["overlap", "shared_percent", "max_labels", "agreement_floor"],
                "description": "A share of the tasks goes to several people: only those show how well people agree.",
            },
        ),
        (
            "Who gets what, and for how long",
            {
                "fields": ["skills_by", "priority", "lease_minutes", "open_cap", "daily_cap", "edit_window_hours"],
                "description": "Training and held-out labelers never get the same tasks, whatever stands here.",
            },
        ),
        (
            "Where prompts go",
            {
                "fields": ["split_by", "valid_percent", "test_percent", "keep_originals"],
                "description": "An author's prompts are in one split, drawn with the first of them, and never move.",
            },
        ),
    ]
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

    def get_urls(self) -> list[URLPattern]:
        """With what a change would do."""
        site = self.admin_site
        effects = path("<int:pk>/effects/", site.admin_view(self.effects), name="labeling_projectsetup_effects")
        return [effects, *super().get_urls()]

    def effects(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the settings typed so far would do, as a piece of the page. Nothing is stored."""
        return require_POST(self._effects)(request, pk)

    def _effects(self, request: HttpRequest, pk: int) -> HttpResponse:
        setup = self.get_queryset(request).select_related("project").filter(pk=pk).first()
        if setup is None:
            raise Http404("No such setup.")
        if not self.has_change_permission(request, setup):
            raise PermissionDenied("Only managers of the project may change its settings.")
        form = self.get_form(request, setup)(request.POST, instance=ProjectSetup.objects.get(pk=pk))
        refused = [] if form.is_valid() else [_sentence(form, name, said) for name, said in form.errors.items()]
        said = [] if refused else setup_effects(setup, form.instance)
        return render(request, "admin/labeling/effects.html", {"refused": refused, "effects": said})

    def save_model(self, request: HttpRequest, obj: ProjectSetup, form: ModelForm[ProjectSetup], change: bool) -> None:
        """Store what the service takes, and say what the change does."""
        before = ProjectSetup.objects.filter(project=obj.project).first() or ProjectSetup(project=obj.project)
        for sentence in setup_effects(before, obj) if change else []:
            self.message_user(request, sentence, messages.INFO)
        stored = project_setup_update(project=obj.project, **{name: getattr(obj, name) for name in SETTINGS})
        obj.pk = stored.pk

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the address that says what a change would do."""
        context = extra_context or {}
        if object_id.isdecimal():
            url = reverse("admin:labeling_projectsetup_effects", args=[object_id])
            context["effects_attrs"] = {"type": "button", "hx-post": url, "hx-target": "#effects"}
        return cast(HttpResponse, super().change_view(request, object_id, form_url, context))

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


def _sentence(form: ModelForm[ProjectSetup], name: str, said: Any) -> str:
    label = form.fields[name].label if name in form.fields else ""
    return f"{label}: {said[0]}" if label else str(said[0])
