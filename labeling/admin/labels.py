"""Labels, to look at: they are added by labelers and never changed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

from labeling.admin.owned import OwnedAdmin
from labeling.admin.prompts import LabelInline
from labeling.models import Completion, Demonstration, Ranking, Rating
from people.markdown import render

_ORIGIN = [
    "labeler",
    "provenance",
    "source_labeler",
    "instructions_version",
    "form_version",
    "assignment",
    "created_at",
    "superseded_at",
]


@admin.register(Demonstration)
class DemonstrationAdmin(OwnedAdmin):
    """People's own answers."""

    project_path = "prompt__project"
    list_display = ["__str__", "prompt", "labeler", "provenance", "instructions_version", "created_at"]
    list_filter = ["prompt__project", "provenance", "prompt__split"]
    list_select_related = ["prompt__project", "labeler"]
    search_fields = ["text", "external_id", "labeler__username"]
    fields = ["prompt", "answer", "prompt_values", "external_id", *_ORIGIN]
    readonly_fields = ["answer"]

    @admin.display(description="Answer")
    def answer(self, demonstration: Demonstration) -> SafeString:
        """The text, rendered as on the labelers' pages."""
        return format_html("{}", render(demonstration.text))


class RatingInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """What the labeler thought of each completion on its own."""

    model = Rating
    fields = ["completion", "overall", "values"]
    extra = 0
    can_delete = False
    has_view_permission = LabelInline.has_view_permission
    has_add_permission = LabelInline.has_add_permission
    has_change_permission = LabelInline.has_change_permission


@admin.register(Ranking)
class RankingAdmin(OwnedAdmin):
    """People's orders of the K completions of a prompt."""

    project_path = "prompt__project"
    list_display = ["__str__", "prompt", "labeler", "provenance", "instructions_version", "created_at"]
    list_filter = ["prompt__project", "provenance", "prompt__split"]
    list_select_related = ["prompt__project", "labeler"]
    search_fields = ["external_id", "labeler__username", "note"]
    fields = ["prompt", "order", "strengths", "all_bad", "note", "prompt_values", "external_id", *_ORIGIN]
    readonly_fields = ["order"]

    @admin.display(description="Best first")
    def order(self, ranking: Ranking) -> SafeString:
        """The completions by rank; those of one rank are a tie."""
        texts = Completion.objects.in_bulk([i for group in ranking.groups for i in group])
        by_id = {str(pk): completion for pk, completion in texts.items()}
        rows = (
            (f"{rank}{' (tie)' if len(group) > 1 else ''}", by_id[i].model or "a person", by_id[i].text)
            for rank, group in enumerate(ranking.groups, start=1)
            for i in group
            if i in by_id
        )
        return format_html_join("", "<p><strong>{}</strong> · {}<br>{}</p>", rows)
