"""Prompts and completions, to look at: with the dialogue as people see it, and all that was said about it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline

from labeling.admin.owned import OwnedAdmin, manages
from labeling.admin.paging import BoundedPaginator, ManagedProjectFilter
from labeling.models import USE_CASES, Completion, Demonstration, Prompt, Ranking
from labeling.selectors.prompts import prompts_saying
from people.access import MANAGING, projects_for
from people.markdown import render
from people.models import User


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


class InUseFilter(admin.SimpleListFilter):
    """Whether curation left the prompt in use."""

    title = "use"
    parameter_name = "in_use"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Both, by name."""
        return [("yes", "In use"), ("no", "Dropped by curation")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those asked for."""
        asked = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if asked is None else queryset.filter(dropped_by__isnull=asked)


class UseCaseFilter(admin.SimpleListFilter):
    """The ten use cases (IG table 1), without a look at all prompts for others."""

    title = "use case"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Each by the name that imports give it."""
        return [(name, name.replace("_", " ").capitalize()) for name in USE_CASES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those asked for."""
        return queryset.filter(category=self.value()) if self.value() else queryset


@admin.register(Prompt)
class PromptAdmin(OwnedAdmin):
    """The prompts of a project."""

    paginator = BoundedPaginator
    ordering = ["-created_at", "-pk"]
    list_display = ["__str__", "project", "split", "category", "source", "demonstrations_count", "rankings_count"]
    list_filter = [("project", ManagedProjectFilter), "split", "kind", InUseFilter, UseCaseFilter]
    list_select_related = ["project"]
    search_fields = ["external_id"]
    search_help_text = "The id, the id in the source or the author, whole; else words of the newest 20,000."
    fields = [
        "dialogue",
        "project",
        "external_id",
        "author",
        "organisation",
        "split",
        "kind",
        "category",
        "source",
        "language",
        "dropped_by",
        "drop_reason",
        "duplicate_of",
        "parent",
        "imported_by",
        "created_at",
    ]
    readonly_fields = ["dialogue"]
    inlines = [DemonstrationInline, RankingInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the numbers of labels, which are counted for the rows that are shown."""
        counts = {"_demonstrations": _number_of(Demonstration), "_rankings": _number_of(Ranking)}
        rows: QuerySet[Any] = super().get_queryset(request).annotate(**counts)
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The prompts of that id, id in the source or author, each by its index; where there are none, those of the
        newest whose text holds the words.
        """
        if not (words := search_term.strip()):
            return queryset, False
        mine = list(projects_for(cast(User, request.user), MANAGING).values_list("pk", flat=True))
        return prompts_saying(queryset, words, of=mine), False

    @admin.display(description="Demonstrations")
    def demonstrations_count(self, prompt: Any) -> int:
        """How many people answered."""
        return int(prompt._demonstrations or 0)

    @admin.display(description="Rankings")
    def rankings_count(self, prompt: Any) -> int:
        """How often its completions were ranked."""
        return int(prompt._rankings or 0)

    @admin.display(description="Dialogue")
    def dialogue(self, prompt: Prompt) -> SafeString:
        """The messages, rendered as on the labelers' pages."""
        turns = ((message["role"], render(message["content"])) for message in prompt.messages)
        return format_html_join("", "<p><strong>{}</strong></p>{}", turns)


def _number_of(labels: type[Demonstration] | type[Ranking]) -> Subquery:
    of_prompt = labels._default_manager.filter(prompt=OuterRef("pk")).order_by()
    return Subquery(of_prompt.values("prompt").annotate(count=Count("pk")).values("count"))


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
