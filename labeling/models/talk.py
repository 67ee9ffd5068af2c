"""What people say to each other about the work: flags, questions on a task, announcements."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from people.models import Project
from people.plain_text import one_line


class Flag(models.Model):
    """A labeler's note to the managers that something is wrong with a task. It stays until somebody settles it."""

    task = models.ForeignKey("labeling.Task", on_delete=models.CASCADE, related_name="flags")
    raised_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="flags_raised")
    note = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="flags_settled"
    )
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["task"], condition=Q(settled_at=None), name="flag_open")]

    def __str__(self) -> str:
        return one_line(self.note)


class Post(models.Model):
    """A question or an answer on a task: between its labelers and the project's reviewers and managers.

    A thread is a task and the labeler who asked. `asked_by` is null for what a reviewer or manager says to all of the
    task's labelers without being asked.
    """

    task = models.ForeignKey("labeling.Task", on_delete=models.CASCADE, related_name="posts")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="posts")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="threads",
        help_text="The labeler whose question it belongs to; the author, where it is the question.",
    )
    text = models.TextField()
    to_all = models.BooleanField(
        default=False, help_text="Shown to everyone who labels the task, not to the asker only."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    settled_at = models.DateTimeField(
        null=True, blank=True, help_text="Of a question: when it was answered, or found to need no answer."
    )
    seen_at = models.DateTimeField(null=True, blank=True, help_text="Of an answer: when the asker saw it.")

    class Meta:
        ordering = ["created_at", "pk"]
        indexes = [
            models.Index(fields=["task"], condition=Q(settled_at=None, asked_by=F("author")), name="question_open"),
            models.Index(fields=["asked_by"], condition=Q(seen_at=None) & ~Q(asked_by=F("author")), name="answer_new"),
        ]

    def __str__(self) -> str:
        return one_line(self.text)


class Announcement(models.Model):
    """What a manager tells all labelers of a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="announcements")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField(help_text="Markdown.")
    created_at = models.DateTimeField(auto_now_add=True)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Shown until then; empty: until it is deleted.")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return one_line(self.text)
