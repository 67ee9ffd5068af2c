"""Curation: steps that take prompts out of use or mask text in them, each visible and reversible."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from people.models import Project


class CurationStep(models.Model):
    """One rule run over a project's prompts, with what it saw and changed. Undoing it puts the prompts back."""

    class Rule(models.TextChoices):
        EXACT = "exact", "Exact duplicates"
        PREFIX = "prefix", "Long common prefix"
        NEAR = "near", "Near duplicates"
        CAP = "cap", "Cap per author"
        PII = "pii", "Personal data masked"
        LENGTH = "length", "Length"
        LANGUAGE = "language", "Language"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        UNDONE = "undone", "Undone"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="curation_steps")
    rule = models.CharField(max_length=12, choices=Rule.choices)
    options = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    seen = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0, help_text="Prompts dropped, or masked.")
    filled = models.PositiveIntegerField(default=0, help_text="Prompts whose language was filled in.")
    is_undo = models.BooleanField(default=False, editable=False, help_text="It was asked to be undone.")
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False, help_text="How often a worker took it.")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} ({self.get_state_display().lower()})"


class PromptMask(models.Model):
    """What a masking step found in a prompt. `original` is kept only where the project's policy allows it."""

    step = models.ForeignKey(CurationStep, on_delete=models.CASCADE, related_name="masks")
    prompt = models.ForeignKey("labeling.Prompt", on_delete=models.CASCADE, related_name="masks")
    found = models.JSONField(default=dict, help_text='How many of each kind: {"EMAIL": 2}.')
    original = models.JSONField(null=True, blank=True)
    original_digest = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="Keyed digest of the original, by which the same prompt is known when it is imported again.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "prompt"], name="one_mask_per_step")]

    def __str__(self) -> str:
        return f"{sum(self.found.values())} masked"
