"""Rating forms: written line by line, shown as labelers see them, kept as versions that never change."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action

from labeling.admin.field_lines import definitions_of, lines_of, lines_typed
from labeling.admin.owned import OwnedAdmin, manages
from labeling.filled import filled
from labeling.form_changes import form_changes
from labeling.forms import (
    DEFAULT_FIELDS,
    INSTRUCTGPT_FIELDS,
    INSTRUCTGPT_PROMPT_FLAGS,
    Field,
    FormError,
    read_fields,
)
from labeling.models import RatingForm
from labeling.services.forms import NOTE_MAX, rating_form_add
from labeling.views.ranking_page import FIELDS_SHOWN
from people.access import MANAGING, projects_for
from people.models import Project, User
from people.refusals import Refused

Fields = tuple[Field, ...]
SAMPLE = "How do I keep basil alive on a windowsill?"
SAMPLE_ANSWER = (
    "Give it **six hours of light** a day, water it when the top of the soil is dry, and pinch off the flowers."
)


@admin.register(RatingForm)
class RatingFormAdmin(OwnedAdmin):
    """Versions of a project's rating form. A new version is added; none is changed."""

    list_display = ["project", "version", "asks", "change_note", "created_at"]
    list_display_links = ["project", "version"]
    list_filter = ["project"]
    list_select_related = ["project"]
    fields = ["project", "version", "change_note", "created_at", "changes", "as_json"]
    readonly_fields = ["changes", "as_json"]
    actions_detail = ["see", "begin_with_this"]

    @admin.display(description="Asks")
    def asks(self, form: RatingForm) -> str:
        """How many fields it has."""
        return f"{len(form.fields)} about an answer, {len(form.prompt_fields)} about the prompt"

    @admin.display(description="What changed")
    def changes(self, form: RatingForm) -> SafeString:
        """What is asked differently from the version before."""
        earlier = RatingForm.objects.filter(project=form.project, version__lt=form.version)
        before = earlier.order_by("-version").first()
        said: list[str] = []
        for about in ("fields", "prompt_fields"):
            old = read_fields(getattr(before, about)) if before is not None else ()
            said += form_changes(old, read_fields(getattr(form, about)))
        return render_to_string("admin/labeling/sentences.html", {"sentences": said})

    @admin.display(description="As JSON")
    def as_json(self, form: RatingForm) -> SafeString:
        """The definitions, as the API takes them."""
        about = {"fields": form.fields, "prompt_fields": form.prompt_fields}
        return format_html(
            '<pre class="as-json" tabindex="0">{}</pre>', json.dumps(about, indent=2, ensure_ascii=False)
        )

    @action(description="See it as labelers do", attrs={"target": "_blank"})  # type: ignore[untyped-decorator]
    def see(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page of the preview."""
        return redirect("admin:labeling_ratingform_shown", int(object_id))

    @action(description="Begin a new version with this one")  # type: ignore[untyped-decorator]
    def begin_with_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page of a new version, with these fields filled in."""
        return redirect(f"{reverse('admin:labeling_ratingform_add')}?begin={int(object_id)}")

    def get_urls(self) -> list[URLPattern]:
        """With the previews."""
        guarded = self.admin_site.admin_view
        return [
            path("preview/", guarded(self.preview), name="labeling_ratingform_preview"),
            path("<int:pk>/shown/", guarded(self.shown), name="labeling_ratingform_shown"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Write a version, line by line."""
        if not self.has_add_permission(request):
            raise PermissionDenied("Rating forms are for managers to write.")
        context: dict[str, Any] = {"refusal": "", "note": request.POST.get("change_note", ""), "note_max": NOTE_MAX}
        if request.method == "POST":
            answer, lines, of_prompt, context["refusal"] = self._posted(request)
            if answer is not None:
                return answer
            chosen = request.POST.get("project", "")
        else:
            fields, prompt_fields, chosen = self._begun(request)
            lines, of_prompt = lines_of(fields, "answer"), lines_of(prompt_fields, "prompt")
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "New version of a rating form",
            "projects": projects_for(cast(User, request.user), MANAGING),
            "chosen": chosen,
            "groups": [("About each answer", "answer", lines), ("About the prompt", "prompt", of_prompt)],
            "preview_url": reverse("admin:labeling_ratingform_preview"),
        }
        return render(request, "admin/labeling/form_edit.html", context, status=400 if context["refusal"] else 200)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """The fields typed so far, on a page as labelers see it. Nothing is stored."""
        if not self.has_add_permission(request):
            raise PermissionDenied("Rating forms are for managers to write.")
        try:
            fields, prompt_fields = (_read(lines_typed(request.POST, prefix)) for prefix in ("answer", "prompt"))
        except FormError as error:
            return _page(request, (), (), refusal=str(error))
        return _page(request, fields, prompt_fields)

    def shown(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A version that is there, on a page as labelers see it."""
        form = self.get_queryset(request).filter(pk=pk).first()
        if form is None:
            raise Http404("No such rating form.")
        return _page(request, read_fields(form.fields), read_fields(form.prompt_fields), form=form)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers."""
        return manages(request, None)

    def _posted(self, request: HttpRequest) -> tuple[HttpResponse | None, Any, Any, str]:
        """An answer where the version is stored; else the lines to show again, and why."""
        wants_more = {prefix: f"_more_{prefix}" in request.POST for prefix in ("answer", "prompt")}
        lines, of_prompt = (lines_typed(request.POST, prefix, more=more) for prefix, more in wants_more.items())
        if any(wants_more.values()):
            return None, lines, of_prompt, ""
        asked = request.POST.get("project", "")
        mine = projects_for(cast(User, request.user), MANAGING)
        project = mine.filter(pk=int(asked)).first() if asked.isdecimal() and len(asked) < 16 else None
        if project is None:
            return None, lines, of_prompt, "Choose the project whose form this is."
        try:
            definitions = [_definitions(one) for one in (lines, of_prompt)]
            return self._stored(request, project, *definitions), lines, of_prompt, ""
        except (FormError, Refused) as refusal:
            return None, lines, of_prompt, str(refusal)

    def _stored(self, request: HttpRequest, project: Project, fields: Any, prompt_fields: Any) -> HttpResponse:
        before = RatingForm.objects.filter(project=project).count()
        note = request.POST.get("change_note", "")
        added = rating_form_add(project=project, fields=fields, prompt_fields=prompt_fields, change_note=note)
        if RatingForm.objects.filter(project=project).count() > before:
            self.message_user(
                request,
                f"Version {added.version} of the form of {project.name} holds for tasks taken from now on.",
                messages.SUCCESS,
            )
        else:
            self.message_user(request, f"Nothing is asked differently: version {added.version} stays.", messages.INFO)
        return redirect("admin:labeling_ratingform_change", added.pk)

    def _begun(self, request: HttpRequest) -> tuple[Fields, Fields, str]:
        """What a new version begins with: a version that is there, the ready-made form, or the default one."""
        begin = request.GET.get("begin", "")
        rows: QuerySet[RatingForm] = self.get_queryset(request)
        row = rows.filter(pk=int(begin)).first() if begin.isdecimal() and len(begin) < 16 else None
        if row is not None:
            return read_fields(row.fields), read_fields(row.prompt_fields), str(row.project_id)
        chosen = request.GET.get("project", "")
        if begin == "instructgpt":
            return INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS, chosen
        return DEFAULT_FIELDS, (), chosen


def _definitions(lines: Any) -> list[dict[str, Any]]:
    """The definitions of typed lines. Raises FormError where a line is not whole."""
    if not lines.is_valid():
        for number, line in enumerate(lines.forms, start=1):
            for name, said in line.errors.items():
                raise FormError(f"Line {number}, {line[name].label}: {said[0]}")
        raise FormError(str(lines.non_form_errors()[0]))
    return definitions_of(lines)


def _read(lines: Any) -> Fields:
    return read_fields(_definitions(lines))


def _page(
    request: HttpRequest, fields: Fields, prompt_fields: Fields, *, refusal: str = "", form: RatingForm | None = None
) -> HttpResponse:
    context = {
        "refusal": refusal,
        "form": form,
        "first_fields": filled(fields[:FIELDS_SHOWN], {}, "sample-"),
        "more_fields": filled(fields[FIELDS_SHOWN:], {}, "sample-"),
        "prompt_fields": filled(prompt_fields, {}, "prompt-"),
        "sample": SAMPLE,
        "sample_answer": SAMPLE_ANSWER,
    }
    return render(request, "admin/labeling/form_preview.html", context, status=400 if refusal else 200)
