"""Prompts: what people and models answer."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from people.models import Project
from people.plain_text import one_line


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


# What prompts ask for (IG table 1), as suggestions: a category may be any other word.
USE_CASES = (
    "generation",
    "open_qa",
    "brainstorming",
    "chat",
    "rewrite",
    "summarization",
    "classification",
    "other",
    "closed_qa",
    "extract",
)


class Prompt(models.Model):
    """Messages that end with a user's turn and wait for an answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The foreign keys without an index of their own are covered by a constraint or by a partial index below: each
    # index that a million prompts do not need is time that their import does not take.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts", db_index=False)
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
    language_step = models.ForeignKey(
        "labeling.CurationStep",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="languages_filled",
        db_index=False,
        help_text="The curation step that told the language; empty where the source did.",
    )
    split = models.CharField(max_length=10, choices=Split.choices)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="turns",
        db_index=False,
        help_text="The prompt that this one continues, in a dialogue.",
    )
    dropped_by = models.ForeignKey(
        "labeling.CurationStep",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="dropped",
        db_index=False,
        help_text="The curation step that took it out; empty while it is in use.",
    )
    drop_reason = models.CharField(max_length=300, blank=True)
    duplicate_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="duplicates",
        db_index=False,
        help_text="The prompt that was kept in its place, where it was dropped as a duplicate.",
    )
    imported_by = models.ForeignKey(
        "labeling.Import",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="prompts",
        db_index=False,
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "external_id"], name="one_prompt_per_external_id")]
        indexes = [
            models.Index(fields=["project", "split"]),
            models.Index(fields=["project", "author"]),
            models.Index(
                fields=["project", "organisation"], condition=~Q(organisation=""), name="prompt_organisation"
            ),
            models.Index(
                fields=["category", "created_at", "id"], condition=~Q(category=""), name="prompt_of_category"
            ),
            models.Index(fields=["project", "created_at", "id"], name="prompt_of_project_by_age"),
            models.Index(fields=["created_at", "id"], name="prompt_by_age"),
            models.Index(
                fields=["dropped_by", "created_at", "id"], condition=Q(dropped_by__isnull=False), name="prompt_dropped"
            ),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="prompt_parent"),
            models.Index(fields=["duplicate_of"], condition=Q(duplicate_of__isnull=False), name="prompt_duplicate_of"),
        ]

    def __str__(self) -> str:
        return one_line(str(self.messages[-1]["content"])) if self.messages else ""
