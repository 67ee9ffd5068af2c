"""Prompts and completions, to look at: with the dialogue as people see it, and all that was said about it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import Completion, Demonstration, Prompt, Ranking
from people.markdown import render


class LabelInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Labels of a prompt, to look at."""

    extra = 0
    can_delete = False
    show_change_link = True
    readonly_fields = ["created_at"]

    def has_view_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:
        """Whoever may see the prompt."""
        return manages(request, obj.project if obj is not None else None)

    def has_add_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:
        """Labels come from labelers."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Prompt | None = None) -> bool:
        """Labels are not changed."""
        return False


class DemonstrationInline(LabelInline):
    """A prompt's demonstrations."""

    model = Demonstration
    fields = ["text", "labeler", "provenance", "instructions_version", "created_at"]


class RankingInline(LabelInline):
    """A prompt's rankings."""

    model = Ranking
    fields = ["labeler", "provenance", "instructions_version", "note", "created_at"]


@admin.register(Prompt)
class PromptAdmin(OwnedAdmin):
    """The prompts of a project."""

    list_display = ["__str__", "project", "split", "category", "source", "demonstrations_count", "rankings_count"]
    list_filter = ["project", "split", "category", "source", "language"]
    list_select_related = ["project"]
    search_fields = ["external_id", "author", "messages"]
    fields = [
        "dialogue",
        "project",
        "external_id",
        "author",
        "split",
        "category",
        "source",
        "language",
        "imported_by",
        "created_at",
    ]
    readonly_fields = ["dialogue"]
    inlines = [DemonstrationInline, RankingInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the numbers of labels."""
        counts = {name: Count(name.lstrip("_"), distinct=True) for name in ("_demonstrations", "_rankings")}
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**counts)
        return rows

    @admin.display(description="Demonstrations", ordering="_demonstrations")
    def demonstrations_count(self, prompt: Any) -> int:
        """How many people answered."""
        return int(prompt._demonstrations)

    @admin.display(description="Rankings", ordering="_rankings")
    def rankings_count(self, prompt: Any) -> int:
        """How often its completions were ranked."""
        return int(prompt._rankings)

    @admin.display(description="Dialogue")
    def dialogue(self, prompt: Prompt) -> SafeString:
        """The messages, rendered as on the labelers' pages."""
        turns = ((message["role"], render(message["content"])) for message in prompt.messages)
        return format_html_join("", "<p><strong>{}</strong></p>{}", turns)


@admin.register(Completion)
class CompletionAdmin(OwnedAdmin):
    """Answers, with the model that wrote each."""

    project_path = "prompt__project"
    list_display = ["__str__", "prompt", "model", "batch", "created_at"]
    list_filter = ["prompt__project", "model"]
    list_select_related = ["prompt__project", "batch"]
    search_fields = ["text", "external_id", "model"]
    fields = ["answer", "prompt", "model", "checkpoint", "sampling", "batch", "external_id", "created_at"]
    readonly_fields = ["answer"]

    @admin.display(description="Answer")
    def answer(self, completion: Completion) -> SafeString:
        """The text, rendered as on the labelers' pages."""
        return format_html("{}", render(completion.text))
