"""Completions: answers to a prompt, by models or people, and the batches in which they come back from training."""

from __future__ import annotations

import uuid

from django.db import models

from people.models import Project
from people.plain_text import one_line


class CompletionBatch(models.Model):
    """A batch of sampled completions that training published; imported once, by its digest."""

    digest = models.CharField(max_length=64, unique=True)
    project = models.ForeignKey(
        Project,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="completion_batches",
        help_text="Empty when the batch could not be read far enough to tell.",
    )
    manifest = models.JSONField(default=dict)
    completions_count = models.PositiveIntegerField(default=0)
    tasks_opened = models.PositiveIntegerField(default=0)
    same_text = models.PositiveIntegerField(
        default=0, help_text="Completions that no task asks about, since another of the prompt has the same text."
    )
    prompts_without_task = models.PositiveIntegerField(
        default=0, help_text="Prompts whose completions hold fewer than two different texts: nothing to rank."
    )
    error = models.TextField(blank=True, help_text="Why the batch could not be imported.")
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-imported_at"]
        verbose_name_plural = "completion batches"

    def __str__(self) -> str:
        return f"Batch {self.digest[:12]}"


class Completion(models.Model):
    """One answer to a prompt. Who wrote it is never shown to those who judge it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    prompt = models.ForeignKey("labeling.Prompt", on_delete=models.CASCADE, related_name="completions")
    external_id = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    model = models.CharField(max_length=120, blank=True, help_text="The model's name; empty for a person's answer.")
    checkpoint = models.CharField(max_length=64, blank=True, help_text="Digest of the checkpoint that wrote it.")
    sampling = models.JSONField(default=dict, blank=True)
    batch = models.ForeignKey(
        CompletionBatch, null=True, blank=True, on_delete=models.CASCADE, related_name="completions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "external_id"], name="one_completion_per_external_id")
        ]

    def __str__(self) -> str:
        return one_line(self.text)
