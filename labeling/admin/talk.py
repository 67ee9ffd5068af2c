"""What people say about the work: flags to settle, questions to answer, announcements to make and to end."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import F, QuerySet
from django.forms import ModelForm, ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from exchange.text import is_blank
from labeling.admin.owned import OwnedAdmin, manages
from labeling.models import Announcement, Feedback, Flag, Post, Task
from labeling.services.announcements import announcement_add, announcement_end
from labeling.services.flags import flag_settle
from labeling.services.posts import questions_settle
from people.markdown import render
from people.models import User
from people.refusals import Refused


class Waiting(SimpleListFilter):
    """What still waits, and what is settled."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two states; both together is the filter's own first choice."""
        return [("open", "Waits"), ("settled", "Settled")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Only those of the state that was chosen."""
        if self.value() not in ("open", "settled"):
            return queryset
        return queryset.filter(settled_at__isnull=self.value() == "open")


class FlagForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """The answer with which a flag is settled."""

    class Meta:
        model = Flag
        fields = ["answer"]
        help_texts = {"answer": "Shown to the labeler. Saving settles the flag, also without an answer."}
        widgets = {"answer": UnfoldAdminTextareaWidget(attrs={"rows": 4, "maxlength": 2000})}


@admin.register(Flag)
class FlagAdmin(OwnedAdmin):
    """Labelers' notes that something is wrong with a task. Saving one settles it."""

    project_path = "task__project"
    form = FlagForm
    list_display = ["__str__", "task", "raised_by", "created_at", "settled_at", "settled_by"]
    list_filter = [Waiting, "task__project"]
    list_select_related = ["task__project", "raised_by", "settled_by"]
    search_fields = ["raised_by__username"]
    fields = ["whole_note", "task", "raised_by", "created_at", "answer", "settled_at", "settled_by"]
    readonly_fields = ["whole_note", "task", "raised_by", "created_at", "settled_at", "settled_by"]
    actions = ["settle"]

    @admin.display(description="Note")
    def whole_note(self, flag: Flag) -> str:
        """All that the labeler wrote."""
        return flag.note

    @admin.action(description="Settle the selected flags without an answer")
    def settle(self, request: HttpRequest, flags: QuerySet[Flag]) -> None:
        """Settle those that still wait."""
        settled = 0
        for pk in flags.filter(settled_at=None).values_list("pk", flat=True):
            try:
                flag_settle(flag_id=pk, settled_by=cast(User, request.user))
                settled += 1
            except Refused as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
        self.message_user(request, f"Settled: {settled}.", messages.SUCCESS)

    def has_change_permission(self, request: HttpRequest, obj: Flag | None = None) -> bool:
        """Managers of the project, while the flag waits."""
        return (obj is None or obj.settled_at is None) and manages(request, self.project_of(obj))

    def save_model(self, request: HttpRequest, obj: Flag, form: ModelForm[Flag], change: bool) -> None:
        """Settle it with the answer that was typed; somebody who was quicker is said."""
        try:
            flag_settle(flag_id=obj.pk, settled_by=cast(User, request.user), answer=obj.answer)
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)


@admin.register(Post)
class PostAdmin(OwnedAdmin):
    """Questions and answers on tasks, to read; they are answered on their task's own page."""

    project_path = "task__project"
    list_display = ["__str__", "task", "author", "is_question", "to_all", "created_at", "settled_at"]
    list_filter = [Waiting, "to_all", "task__project"]
    list_select_related = ["task__project", "author", "asked_by"]
    search_fields = ["author__username"]
    fields = ["words", "thread", "author", "asked_by", "to_all", "created_at", "settled_at", "seen_at"]
    readonly_fields = ["words", "thread"]
    actions = ["settle"]

    @admin.display(description="Question", boolean=True)
    def is_question(self, post: Post) -> bool:
        """Whether a labeler asks, rather than the team answers."""
        return post.author_id == post.asked_by_id

    @admin.display(description="Text")
    def words(self, post: Post) -> SafeString:
        """The text as it is shown in the thread."""
        return format_html('<div class="as-read">{}</div>', render(post.text))

    @admin.display(description="Task")
    def thread(self, post: Post) -> SafeString:
        """The page of the task's threads, where one answers."""
        url = reverse("talk-task", args=[post.task.project.slug, post.task_id])
        return format_html('<a class="text-link" href="{}">{}: read the threads and answer</a>', url, post.task)

    @admin.action(description="Say that the selected questions need no answer", permissions=["view"])
    def settle(self, request: HttpRequest, posts: QuerySet[Post]) -> None:
        """Settle the open questions among them, each with all that its asker still asks on the task."""
        asked = posts.filter(settled_at=None, asked_by=F("author")).values_list("task", "author").distinct()
        settled = 0
        for task, asker in list(asked):
            settled += questions_settle(
                task=Task.objects.select_related("project").get(pk=task),
                asker=User.objects.get(pk=asker),
                by=cast(User, request.user),
            )
        self.message_user(request, f"Settled: {settled}.", messages.SUCCESS)


class AnnouncementForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A new announcement."""

    class Meta:
        model = Announcement
        fields = ["project", "text", "ends_at"]

    def clean(self) -> dict[str, Any]:
        """What the service would refuse, beside its field."""
        found = cast(dict[str, Any], super().clean())
        if found.get("ends_at") is not None and found["ends_at"] <= timezone.now():
            self.add_error("ends_at", "The end of an announcement lies in the future.")
        if len(found.get("text") or "") > 5_000:
            self.add_error("text", ValidationError("Keep an announcement to 5,000 characters."))
        if "text" in found and is_blank(found["text"]):
            self.add_error("text", "The announcement is empty; write it first.")
        return found


@admin.register(Announcement)
class AnnouncementAdmin(OwnedAdmin):
    """What managers tell all labelers of a project. Nobody changes one that people may have read; it can be ended."""

    form = AnnouncementForm
    list_display = ["__str__", "project", "author", "created_at", "ends_at"]
    list_filter = ["project"]
    list_select_related = ["project", "author"]
    actions = ["end"]

    def get_fields(self, request: HttpRequest, obj: Announcement | None = None) -> list[str]:
        """What is written, or how it reads."""
        return (
            ["project", "text", "ends_at"] if obj is None else ["project", "words", "author", "created_at", "ends_at"]
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Announcement | None = None) -> list[str]:
        """One that is there, as labelers read it."""
        return ["words"] if obj is not None else []

    @admin.display(description="Text")
    def words(self, announcement: Announcement) -> SafeString:
        """The text as labelers read it."""
        return format_html('<div class="as-read">{}</div>', render(announcement.text))

    @admin.action(description="End the selected announcements", permissions=["view"])
    def end(self, request: HttpRequest, announcements: QuerySet[Announcement]) -> None:
        """Show them no longer from now on."""
        chosen = list(announcements.select_related("project"))
        for announcement in chosen:
            announcement_end(announcement=announcement, by=cast(User, request.user))
        self.message_user(request, f"Ended: {len(chosen)}.", messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Managers."""
        return manages(request, None)

    def save_model(self, request: HttpRequest, obj: Announcement, form: ModelForm[Announcement], change: bool) -> None:
        """Announce it; the same text that is still shown is not announced twice."""
        added, is_new = announcement_add(
            project=obj.project, author=cast(User, request.user), text=obj.text, ends_at=obj.ends_at
        )
        obj.pk = added.pk
        if not is_new:
            self.message_user(request, "This announcement is shown already.", messages.INFO)


@admin.register(Feedback)
class FeedbackAdmin(OwnedAdmin):
    """What reviewers told labelers about their labels, to read."""

    project_path = "assignment__task__project"
    list_display = ["__str__", "assignment", "grade", "text", "created_at", "seen_at"]
    list_filter = ["assignment__task__project", "grade"]
    list_select_related = ["assignment__task__project", "assignment__labeler", "reviewer"]
    search_fields = ["=reviewer__username", "=assignment__labeler__username"]
    fields = ["assignment", "reviewer", "grade", "text", "created_at", "seen_at"]
