"""Snapshots: what was frozen for training, and when."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from people.models import Project


class Snapshot(models.Model):
    """A request to freeze a project's labels, and the digest of what was published."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="snapshots")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    digest = models.CharField(max_length=64, blank=True, db_index=True)
    counts = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False, help_text="How often a worker took it.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Snapshot {self.digest[:12] or self.pk}"

    @property
    def totals(self) -> dict[str, int]:
        """Records of each kind over all splits; empty until it is done."""
        return {kind: sum(by_split.values()) for kind, by_split in self.counts.items()}
