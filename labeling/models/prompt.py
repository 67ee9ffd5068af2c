"""Prompts: what people and models answer."""

from __future__ import annotations

import uuid

from django.db import models

from people.models import Project


class Split(models.TextChoices):
    """Where a prompt's labels may be used. Given once, by author, and never moved (IG §3.2)."""

    TRAIN = "train", "Training"
    VALID = "valid", "Validation"
    TEST = "test", "Test"


class Provenance(models.TextChoices):
    """Where a label comes from. Simulated labels are marked wherever they appear."""

    HUMAN = "human", "Human, on this platform"
    IMPORTED = "imported", "Imported"
    SIMULATED = "simulated", "Simulated"


class PromptKind(models.TextChoices):
    """Where a prompt comes from (IG §3.2)."""

    CUSTOMER = "customer", "Customer"
    PLAIN = "plain", "Labeler, plain"
    FEW_SHOT = "few_shot", "Labeler, few-shot"
    USER_BASED = "user_based", "Labeler, after a use case"


class Prompt(models.Model):
    """Messages that end with a user's turn and wait for an answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    external_id = models.CharField(
        max_length=200, help_text="The id in the source. Importing the same prompt again changes nothing."
    )
    messages = models.JSONField(help_text='[{"role": "user", "content": "…"}, …]')
    author = models.CharField(
        max_length=200, help_text="Who wrote it, or the conversation that it stands in. One author is in one split."
    )
    organisation = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=60, blank=True)
    kind = models.CharField(max_length=12, choices=PromptKind.choices, blank=True)
    category = models.CharField(max_length=60, blank=True)
    language = models.CharField(max_length=20, blank=True)
    split = models.CharField(max_length=10, choices=Split.choices)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="turns",
        help_text="The prompt that this one continues, in a dialogue.",
    )
    dropped_by = models.ForeignKey(
        "labeling.CurationStep",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="dropped",
        help_text="The curation step that took it out; empty while it is in use.",
    )
    drop_reason = models.CharField(max_length=300, blank=True)
    imported_by = models.ForeignKey(
        "labeling.Import", null=True, blank=True, on_delete=models.SET_NULL, related_name="prompts"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "external_id"], name="one_prompt_per_external_id")]
        indexes = [models.Index(fields=["project", "split"]), models.Index(fields=["project", "author"])]

    def __str__(self) -> str:
        text = str(self.messages[-1]["content"]) if self.messages else ""
        return text if len(text) <= 80 else text[:79] + "…"
