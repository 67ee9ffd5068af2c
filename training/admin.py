"""Training in the admin: runs with state and progress, started and stopped here too; snapshots; model versions.

Staff who are no superusers see the rows of the projects that they follow and start runs in those that they train in.
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.db.models import ForeignKey, ManyToManyField, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from people.access import FOLLOWING, TRAINING, has_role, projects_for
from people.models import Role, User
from people.refusals import Refused
from training import tasks
from training.engine.config import PRESETS
from training.models import Checkpoint, PublishedSnapshot, Run
from training.selectors import summaries
from training.services.plans import BASE, run_plan
from training.services.runs import run_cancel, run_create, run_resume
from training.templatetags.runs import progress_words


class FollowedAdmin(ModelAdmin):
    """Pages of rows that can be looked at by who follows their project."""

    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the projects that the person follows."""
        rows = cast(QuerySet[Any], super().get_queryset(request))
        return rows.filter(project__in=projects_for(cast(User, request.user), FOLLOWING))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Projects to filter by are those whose rows the person sees: others are not named."""
        filters = super().get_list_filter(request)
        return [(one, RelatedOnlyFieldListFilter) if one == "project" else one for one in filters]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff who follow some project."""
        return _may(request, FOLLOWING)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Followers of the row's project."""
        return _may(request, FOLLOWING, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are not changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are kept: what was made from what must stay known."""
        return False


class RunForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A new run. The service's own rules check it, so that nothing is refused after the form was accepted."""

    preset = forms.ChoiceField(
        choices=[(preset, preset) for preset in PRESETS], initial="cpu", widget=UnfoldAdminSelectWidget
    )
    changed = forms.JSONField(
        required=False,
        initial=dict,
        label="Settings",
        help_text='Those that differ from the preset: {"epochs": 2}.',
        widget=UnfoldAdminTextareaWidget,
    )

    class Meta:
        model = Run
        fields = ["project", "kind", "name", "snapshot", "policy", "reward", "sampled", "sample_base", "preset"]
        labels = {"reward": "Reward model", "sampled": "Models to ask", "sample_base": "Ask the base model"}

    def clean(self) -> dict[str, Any]:
        """What `run_plan` refuses is the form's error."""
        super().clean()
        if not self.errors:
            try:
                run_plan(**self.request())
            except Refused as refusal:
                raise forms.ValidationError(str(refusal)) from refusal
        return self.cleaned_data

    def request(self) -> dict[str, Any]:
        """The form as `run_create` takes it."""
        given = self.cleaned_data
        if not isinstance(given["changed"] or {}, dict):
            raise Refused('Settings must be an object such as {"epochs": 2}.')
        return {
            **{name: given[name] for name in ("project", "kind", "name", "preset")},
            "snapshot": given["snapshot"].digest,
            "policy": given["policy"].digest if given["policy"] else "",
            "reward": given["reward"].digest if given["reward"] else "",
            "models": [BASE] * given["sample_base"] + [checkpoint.digest for checkpoint in given["sampled"]],
            "settings": given["changed"] or {},
        }


@admin.register(Run)
class RunAdmin(FollowedAdmin):
    """Runs. Adding one starts it; the actions stop it and let it go on."""

    form = RunForm
    list_display = ["__str__", "project", "kind", "state", "progress", "result", "requested_by", "created_at", "page"]
    list_filter = ["project", "kind", "state"]
    list_select_related = ["project", "requested_by"]
    search_fields = ["name"]
    actions = ["stop", "go_on"]

    def get_fields(self, request: HttpRequest, obj: Run | None = None) -> list[str]:
        """A new one asks for its inputs; a started one tells what became of it."""
        inputs = ["project", "kind", "name", "snapshot", "policy", "reward", "sampled", "sample_base", "preset"]
        if obj is None:
            return [*inputs, "changed"]
        outcome = ["state", "progress", "error", "summary", "notes", "node", "requested_by"]
        return [*inputs, "settings", *outcome, "created_at", "started_at", "finished_at", "page"]

    def get_readonly_fields(self, request: HttpRequest, obj: Run | None = None) -> list[str]:
        """All of a run that exists."""
        return [] if obj is None else self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff who train in some project."""
        return _may(request, TRAINING)

    def has_train_permission(self, request: HttpRequest) -> bool:
        """Who may choose the actions; each row is looked at again."""
        return _may(request, TRAINING)

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Only the projects in which the person may start runs, and what belongs to them."""
        kwargs["queryset"] = _choices(db_field.name, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Policies of those projects."""
        kwargs["queryset"] = _choices(db_field.name, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Run, form: RunForm, change: bool) -> None:
        """Create the run and call a worker."""
        run, _ = run_create(requested_by=cast(User, request.user), **form.request())
        obj.pk, obj.name = run.pk, run.name
        tasks.run_call(run.pk)

    @admin.action(description="Stop", permissions=["train"])
    def stop(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        """Stop the chosen runs; those that cannot be stopped are named with the reason."""
        stopped = 0
        for run in runs:
            if not _may(request, TRAINING, run):
                self.message_user(request, f"You may not stop runs of {run.project.name}.", messages.ERROR)
                continue
            try:
                run_cancel(run_id=run.pk)
                stopped += 1
            except Refused as refusal:
                self.message_user(request, str(refusal), messages.WARNING)
        if stopped:
            self.message_user(request, f"Stopped or stopping: {stopped}.", messages.SUCCESS)

    @admin.action(description="Go on from the saved state", permissions=["train"])
    def go_on(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        """Queue the chosen runs to go on; those that cannot are named with the reason."""
        queued = 0
        for run in runs:
            if not _may(request, TRAINING, run):
                self.message_user(request, f"You may not start runs of {run.project.name}.", messages.ERROR)
                continue
            try:
                run_resume(run_id=run.pk)
            except Refused as refusal:
                self.message_user(request, str(refusal), messages.WARNING)
            else:
                tasks.run_call(run.pk)
                queued += 1
        if queued:
            self.message_user(request, f"Queued to go on: {queued}.", messages.SUCCESS)

    @admin.display(description="Progress")
    def progress(self, run: Run) -> str:
        """What the run does now."""
        return progress_words(run) or "–"

    @admin.display(description="Result")
    def result(self, run: Run) -> str:
        """What came out, or why nothing did."""
        return run.error or summaries.headline(run) or "–"

    @admin.display(description="Page")
    def page(self, run: Run) -> SafeString:
        """The run's own page, live."""
        return format_html('<a href="{}">Open</a>', reverse("run-detail", args=[run.pk]))


@admin.register(PublishedSnapshot)
class PublishedSnapshotAdmin(FollowedAdmin):
    """Snapshots that labeling published, as training found them."""

    list_display = ["__str__", "project", "seen_at", "page"]
    list_filter = ["project"]
    list_select_related = ["project"]
    search_fields = ["digest"]
    fields = ["digest", "project", "manifest", "seen_at", "page"]
    readonly_fields = fields

    @admin.display(description="Page")
    def page(self, snapshot: PublishedSnapshot) -> SafeString:
        """The snapshot's own page."""
        return format_html('<a href="{}">Open</a>', reverse("snapshot-detail", args=[snapshot.digest]))


@admin.register(Checkpoint)
class CheckpointAdmin(FollowedAdmin):
    """Model versions."""

    list_display = ["__str__", "kind", "project", "run", "created_at", "page"]
    list_filter = ["project", "kind"]
    list_select_related = ["project", "run"]
    search_fields = ["name", "digest"]
    fields = ["name", "kind", "project", "digest", "run", "manifest", "created_at", "page"]
    readonly_fields = fields

    @admin.display(description="Page")
    def page(self, checkpoint: Checkpoint) -> SafeString:
        """The model's own page."""
        return format_html('<a href="{}">Open</a>', reverse("model-detail", args=[checkpoint.digest]))


def _may(request: HttpRequest, roles: tuple[Role, ...], row: Any = None) -> bool:
    user = cast(User, request.user)
    if not user.is_active or not user.is_staff:
        return False
    if user.is_superuser:
        return True
    return projects_for(user, roles).exists() if row is None else has_role(user, row.project, roles)


def _choices(field: str, request: HttpRequest) -> QuerySet[Any]:
    projects = projects_for(cast(User, request.user), TRAINING)
    if field == "project":
        return projects
    if field == "snapshot":
        return PublishedSnapshot.objects.filter(project__in=projects)
    kind = Checkpoint.Kind.REWARD if field == "reward" else Checkpoint.Kind.POLICY
    return Checkpoint.objects.filter(project__in=projects, kind=kind)
