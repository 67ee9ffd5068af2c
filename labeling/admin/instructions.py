"""Versions of a project's instructions: written with a preview, shown with what changed. None is ever changed."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from exchange.text import is_blank
from labeling.admin.owned import OwnedAdmin, manages
from labeling.diff import difference
from labeling.models import Instructions
from labeling.services.instructions import MAX_CHARACTERS, instructions_add

TEXTS = ("text", "examples", "training_priorities", "evaluation_priorities")
PREVIEWED = 200_000


class InstructionsForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A new version, checked by the service's own rule."""

    class Meta:
        model = Instructions
        fields = ["project", *TEXTS, "change_note"]
        widgets = {
            "text": UnfoldAdminTextareaWidget(attrs={"rows": 16}),
            "examples": UnfoldAdminTextareaWidget(attrs={"rows": 8}),
            "training_priorities": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "evaluation_priorities": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }

    def clean(self) -> dict[str, Any]:
        """Texts that the service takes."""
        found = cast(dict[str, Any], super().clean())
        if sum(len(found.get(name) or "") for name in TEXTS) > MAX_CHARACTERS:
            self.add_error("text", f"Instructions may have at most {MAX_CHARACTERS:,} characters.")
        if "text" in found and is_blank(found["text"]):
            self.add_error("text", "Instructions must not be empty.")
        return found


@admin.register(Instructions)
class InstructionsAdmin(OwnedAdmin):
    """Versions of a project's instructions. A new version is added; none is changed."""

    form = InstructionsForm
    list_display = ["project", "version", "change_note", "readers", "created_at"]
    list_display_links = ["project", "version"]
    list_filter = ["project"]
    list_select_related = ["project"]
    change_form_after_template = "admin/labeling/instructions_preview.html"
    actions_detail = ["begin_with_this"]

    def get_fieldsets(self, request: HttpRequest, obj: Instructions | None = None) -> list[tuple[str | None, Any]]:
        """What is written, or how it reads."""
        if obj is not None:
            shown = ["project", "version", "change_note", "created_at", "readers", "changes", "reads"]
            return [(None, {"fields": shown})]
        return [
            (None, {"fields": ["project", "change_note"]}),
            ("Instructions", {"fields": ["text", "examples"], "description": "In Markdown."}),
            (
                "What comes first",
                {
                    "fields": ["training_priorities", "evaluation_priorities"],
                    "description": "Shown beside the work: one with labels for training, the other with evaluations.",
                },
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Instructions | None = None) -> list[str]:
        """A version that is there, as labelers read it."""
        return ["version", "change_note", "created_at", "readers", "changes", "reads"] if obj is not None else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instructions]:
        """With the number of people who have confirmed each."""
        return cast(QuerySet[Instructions], super().get_queryset(request)).annotate(_readers=Count("reads"))

    @admin.display(description="Confirmed by")
    def readers(self, instructions: Instructions) -> int:
        """How many people said that they have read it."""
        return int(instructions._readers)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="What changed")
    def changes(self, instructions: Instructions) -> SafeString:
        """The words that this version took out of the one before it, and those it put in."""
        before = Instructions.objects.filter(project=instructions.project, version__lt=instructions.version)
        old = before.order_by("-version").first()
        if old is None:
            return format_html("<p>{}</p>", "This is the first version.")
        parts = [
            (
                name.replace("_", " "),
                difference(getattr(old, name), getattr(instructions, name)),
            )
            for name in TEXTS
            if getattr(old, name) != getattr(instructions, name)
        ]
        return render_to_string("admin/labeling/changes.html", {"parts": parts, "since": old.version})

    @admin.display(description="As labelers read it")
    def reads(self, instructions: Instructions) -> SafeString:
        """The texts, rendered as on the labelers' pages."""
        return render_to_string(
            "admin/labeling/instructions.html", {"shown": instructions, "heading": "The instructions"}
        )

    @action(description="Begin a new version with this one")  # type: ignore[untyped-decorator]
    def begin_with_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the page of a new version, with these texts filled in."""
        return HttpResponse(
            status=302, headers={"Location": f"{reverse('admin:labeling_instructions_add')}?begin={int(object_id)}"}
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The texts of the version that one begins with."""
        begin = request.GET.get("begin", "")
        row = self.get_queryset(request).filter(pk=begin).first() if begin.isdecimal() else None
        if row is None:
            return cast(dict[str, Any], super().get_changeform_initial_data(request))
        return {"project": row.project_id, **{name: getattr(row, name) for name in TEXTS}}

    def get_urls(self) -> list[URLPattern]:
        """With the preview."""
        view = self.admin_site.admin_view(self.preview)
        return [path("preview/", view, name="labeling_instructions_preview"), *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """The texts typed so far as labelers will read them, as a piece of the page. Nothing is stored."""
        return require_POST(self._preview)(request)

    def _preview(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied("Instructions are for managers to write.")
        shown = {name: request.POST.get(name, "")[:PREVIEWED] for name in TEXTS}
        return render(request, "admin/labeling/instructions.html", {"shown": shown})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the address of the preview, where something is written."""
        url = reverse("admin:labeling_instructions_preview") if object_id is None else ""
        context = {**(extra_context or {}), "preview_url": url}
        return cast(HttpResponse, super().changeform_view(request, object_id, form_url, context))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers."""
        return manages(request, None)

    def save_model(self, request: HttpRequest, obj: Instructions, form: ModelForm[Instructions], change: bool) -> None:
        """Add the next version; the same text again leads to the version that is there."""
        texts = {name: getattr(obj, name) for name in TEXTS}
        added = instructions_add(project=obj.project, change_note=obj.change_note, **texts)
        obj.pk, obj.version = added.pk, added.version
