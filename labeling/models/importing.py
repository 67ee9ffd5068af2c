"""Imports: a file on its way into a project, with what it brought and what was wrong with it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.formats.unused import unused_said
from people.models import Project


class Import(models.Model):
    """One file, imported as a whole or not at all."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    class OnError(models.TextChoices):
        ABORT = "abort", "Stop and import nothing"
        SKIP = "skip", "Leave out bad lines and report them"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    format = models.CharField(max_length=30)
    file_name = models.CharField(max_length=200)
    path = models.CharField(max_length=500, editable=False)
    on_error = models.CharField(max_length=10, choices=OnError.choices, default=OnError.ABORT)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    counts = models.JSONField(default=dict, blank=True, help_text="What was added, by kind.")
    problems = models.JSONField(default=list, blank=True, help_text="The first bad lines, with number and reason.")
    problem_count = models.PositiveIntegerField(default=0)
    unused = models.JSONField(
        default=list, db_default=[], blank=True, help_text="The first columns that nothing was done with."
    )
    unused_count = models.PositiveIntegerField(default=0, db_default=0)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False, help_text="How often a worker took it.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Import {self.pk} of {self.file_name}"

    @property
    def not_used(self) -> str:
        """Which columns of the file nothing was done with, in one sentence; empty where there are none."""
        return unused_said(self.unused, self.unused_count)
