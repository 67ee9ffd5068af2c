"""Tasks and assignments: who is asked what, and where it stands."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import F, Q, QuerySet
from django.forms import IntegerField, ModelForm
from django.http import HttpRequest, HttpResponse

from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import Assignment, Prompt, SkipKind, Task
from labeling.selectors.tasks import setup_of
from labeling.selectors.troubles import skips_by_kind
from labeling.services.tasks import task_change
from people.access import MANAGING, projects_for
from people.models import User
from people.refusals import Refused


class Standing(SimpleListFilter):
    """Where a task stands."""

    title = "state"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Four states; a task is in one of them."""
        return [
            ("fresh", "Nobody took it yet"),
            ("begun", "Wants more labels"),
            ("full", "All labels given or taken"),
            ("withdrawn", "Out of use"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        """The tasks of the state that was chosen."""
        if self.value() == "withdrawn":
            return queryset.exclude(withdrawn_at=None)
        in_use = queryset.filter(withdrawn_at=None)
        if self.value() == "fresh":
            return in_use.filter(taken=0)
        if self.value() not in ("begun", "full"):
            return queryset
        begun = _begun(cast(User, request.user))
        return in_use.filter(begun) if self.value() == "begun" else in_use.filter(taken__gte=1).exclude(begun)


def _begun(user: User) -> Q:
    """That somebody took a task and it wants more labels, for tasks of the projects that the user manages.

    Each overlap is a number here, not a join: indexes of tasks can then be used.
    """
    found = Q(wanted__isnull=False, taken__gte=1, taken__lt=F("wanted"))
    shared: dict[int, list[int]] = {}
    for project in projects_for(user, MANAGING).select_related("setup"):
        if (overlap := setup_of(project).overlap) > 1:
            shared.setdefault(overlap, []).append(project.pk)
    for overlap, projects in shared.items():
        found |= Q(project__in=projects, wanted=None, is_shared=True, taken__gte=1, taken__lt=overlap)
    return found


class TaskForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """What a manager may change of a task."""

    wanted = IntegerField(
        label="Labels wanted of this task alone",
        required=False,
        min_value=1,
        max_value=20,
        help_text="Empty: what the project says.",
    )

    class Meta:
        model = Task
        fields = ["priority", "wanted"]


@admin.register(Task)
class TaskAdmin(OwnedAdmin):
    """Tasks, newest first. Managers change what comes first, how many labels are wanted, and what is in use."""

    form = TaskForm
    ordering = ["-pk"]
    sortable_by: list[str] = []
    list_display = [
        "__str__",
        "project",
        "prompt",
        "priority",
        "lane",
        "taken",
        "wanted",
        "withdrawn_at",
        "created_at",
    ]
    list_filter = ["project", "kind", Standing]
    list_select_related = ["project", "prompt"]
    search_fields = ["pk"]  # so that there is a field to type in; `get_search_results` does the search
    search_help_text = "The number of a task, or the id of its prompt in the source."
    fields = ["project", "kind", "prompt", "priority", "wanted", "lane", "taken", "is_shared", "withdrawn_at", "batch"]
    readonly_fields = ["project", "kind", "prompt", "lane", "taken", "is_shared", "withdrawn_at", "batch"]
    actions = ["withdraw", "restore"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """The task of that number, and those of the prompts of that id: two look-ups by index, whatever is stored."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        prompts = Prompt.objects.filter(project__in=projects_for(cast(User, request.user), MANAGING))
        found = Q(prompt__in=list(prompts.filter(external_id=asked).values_list("pk", flat=True)))
        if asked.isdecimal() and len(asked) < 19:
            found |= Q(pk=int(asked))
        return queryset.filter(found), False

    @admin.action(description="Take the selected tasks out of use")
    def withdraw(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        """Hand them out no more; who is at work on one may still submit."""
        for pk in list(tasks.filter(withdrawn_at=None).values_list("pk", flat=True)):
            task_change(task_id=pk, withdrawn=True)
        self.message_user(request, "Taken out of use; work begun on them may still be submitted.", messages.SUCCESS)

    @admin.action(description="Bring the selected tasks back into use")
    def restore(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        """Hand them out again, unless curation dropped their prompt."""
        kept = 0
        for pk, dropped_by in list(tasks.exclude(withdrawn_at=None).values_list("pk", "prompt__dropped_by")):
            if dropped_by is not None:
                kept += 1
                continue
            task_change(task_id=pk, withdrawn=False)
        if kept:
            said = f"{kept} stay out of use, since curation dropped their prompts: undo that step instead."
            self.message_user(request, said, messages.WARNING)
        self.message_user(request, "The others are back in use.", messages.SUCCESS)

    def has_change_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        """Managers of the project."""
        return manages(request, self.project_of(obj))

    def save_model(self, request: HttpRequest, obj: Task, form: ModelForm[Task], change: bool) -> None:
        """Store what was changed, by the service's rule."""
        try:
            task_change(
                task_id=obj.pk,
                priority=obj.priority if "priority" in form.changed_data else None,
                wanted=(obj.wanted or 0) if "wanted" in form.changed_data else None,
            )
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)


@admin.register(Assignment)
class AssignmentAdmin(OwnedAdmin):
    """Assignments, with what is drafted and when it was taken and given back; skips with their reasons."""

    project_path = "task__project"
    list_display = [
        "__str__",
        "labeler",
        "state",
        "skip_kind",
        "skip_reason",
        "claimed_at",
        "submitted_at",
        "is_extra",
    ]
    list_filter = ["task__project", "state", "skip_kind", "task__kind", "is_extra"]
    list_select_related = ["task__project", "labeler"]
    list_before_template = "admin/labeling/skips.html"
    search_fields = ["=labeler__username"]
    search_help_text = "The user name of a labeler."
    fields = [
        "task",
        "labeler",
        "state",
        "claimed_at",
        "lease_expires_at",
        "submitted_at",
        "focus_seconds",
        "signals",
        "instructions_version",
        "form_version",
        "shown_order",
        "draft",
        "draft_saved_at",
        "skip_kind",
        "skip_reason",
        "is_extra",
    ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the skips counted by their reason, where skips are looked at."""
        context = extra_context or {}
        if request.GET.get("state__exact") == Assignment.State.SKIPPED:
            context["skips"] = _skips(cast(User, request.user), request.GET.get("task__project__id__exact", ""))
        return cast(HttpResponse, super().changelist_view(request, context))


def _skips(user: User, project: str) -> list[tuple[str, str, int]]:
    """Reason by key and in words, with the number of skips, of one project or of all that the user manages."""
    projects = projects_for(user, MANAGING)
    if project.isdecimal() and len(project) < 16:
        projects = projects.filter(pk=int(project))
    counts: dict[str, int] = {}
    for one in projects:
        for kind, count in skips_by_kind(one).items():
            counts[kind] = counts.get(kind, 0) + count
    words = {**dict(SkipKind.choices), "": "No reason by name"}
    return [(kind, str(words[kind]), count) for kind, count in counts.items()]
