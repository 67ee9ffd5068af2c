"""Labels: what people said. Rows are added, never changed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from labeling.models.prompt import Provenance
from people.plain_text import one_line


class Label(models.Model):
    """What every label carries: who, under which instructions, from where."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)ss"
    )
    provenance = models.CharField(max_length=10, choices=Provenance.choices)
    source_labeler = models.CharField(
        max_length=200, blank=True, help_text="The labeler's key in the source of an imported label."
    )
    instructions_version = models.PositiveIntegerField(default=0)
    form_version = models.PositiveIntegerField(default=0)
    prompt_values = models.JSONField(default=dict, blank=True, help_text="The form's answers about the prompt.")
    assignment = models.ForeignKey(
        "labeling.Assignment", null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)ss"
    )
    superseded_at = models.DateTimeField(
        null=True, blank=True, help_text="When a correction took its place; the label stays as it was."
    )
    correction_key = models.CharField(
        max_length=64, blank=True, help_text="The idempotency key of a correction; empty for a first label."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True


class Demonstration(Label):
    """A person's own answer to a prompt (IG §3.2)."""

    prompt = models.ForeignKey("labeling.Prompt", on_delete=models.CASCADE, related_name="demonstrations")
    external_id = models.CharField(max_length=200, blank=True)
    text = models.TextField()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(superseded_at=None), name="one_demonstration_per_assignment"
            ),
            models.UniqueConstraint(
                fields=["assignment", "correction_key"],
                condition=~Q(correction_key=""),
                name="one_demonstration_per_correction",
            ),
            models.UniqueConstraint(
                fields=["prompt", "external_id"],
                condition=~Q(external_id=""),
                name="one_demonstration_per_external_id",
            ),
        ]

    def __str__(self) -> str:
        return one_line(self.text)


class Ranking(Label):
    """Ordered groups of completions, best first; a group of several is a tie.

    `groups` is a list of lists of completion ids that names each completion of the task exactly once.
    """

    prompt = models.ForeignKey("labeling.Prompt", on_delete=models.CASCADE, related_name="rankings")
    external_id = models.CharField(max_length=200, blank=True)
    groups = models.JSONField()
    strengths = models.JSONField(
        null=True, blank=True, help_text="Between neighbouring groups, how much better the upper one is: 1 … levels."
    )
    strength_levels = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How many levels of strength were asked for; empty where that is not known."
    )
    all_bad = models.BooleanField(default=False, help_text="The labeler found none of the answers acceptable.")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(superseded_at=None), name="one_ranking_per_assignment"
            ),
            models.UniqueConstraint(
                fields=["assignment", "correction_key"],
                condition=~Q(correction_key=""),
                name="one_ranking_per_correction",
            ),
            models.UniqueConstraint(
                fields=["prompt", "external_id"], condition=~Q(external_id=""), name="one_ranking_per_external_id"
            ),
        ]

    def __str__(self) -> str:
        return f"Ranking of {sum(len(g) for g in self.groups)} completions"


class Rating(models.Model):
    """A labeler's judgment of one completion on its own: overall quality 1–7 and the form's other fields (IG §3).

    `values` holds the fields of the project's rating form by name, without `overall`, which has a column.
    """

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="ratings", db_index=False)
    completion = models.ForeignKey("labeling.Completion", on_delete=models.CASCADE, related_name="ratings")
    overall = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(7)]
    )
    values = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ranking", "completion"], name="one_rating_per_completion"),
            models.CheckConstraint(condition=Q(overall__gte=1, overall__lte=7), name="rating_one_to_seven"),
        ]

    def __str__(self) -> str:
        return f"{self.overall or '–'} of 7"


class Feedback(models.Model):
    """What a reviewer tells a labeler about one label: a grade 1–7 where it is a demonstration, and words."""

    assignment = models.ForeignKey("labeling.Assignment", on_delete=models.CASCADE, related_name="feedback")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="feedback_given")
    grade = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(7)]
    )
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "feedback"
        indexes = [models.Index(fields=["assignment"], condition=Q(seen_at=None), name="feedback_unread")]

    def __str__(self) -> str:
        return f"Feedback by {self.reviewer}"
