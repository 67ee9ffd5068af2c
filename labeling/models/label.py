"""Labels: what people said. Rows are added, never changed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from labeling.models.prompt import Provenance


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
    assignment = models.OneToOneField(
        "labeling.Assignment", null=True, blank=True, on_delete=models.PROTECT, related_name="%(class)s"
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
                fields=["prompt", "external_id"],
                condition=~Q(external_id=""),
                name="one_demonstration_per_external_id",
            )
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Ranking(Label):
    """Ordered groups of completions, best first; a group of several is a tie.

    `groups` is a list of lists of completion ids that names each completion of the task exactly once.
    """

    prompt = models.ForeignKey("labeling.Prompt", on_delete=models.CASCADE, related_name="rankings")
    external_id = models.CharField(max_length=200, blank=True)
    groups = models.JSONField()
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "external_id"], condition=~Q(external_id=""), name="one_ranking_per_external_id"
            )
        ]

    def __str__(self) -> str:
        return f"Ranking of {sum(len(g) for g in self.groups)} completions"


class Rating(models.Model):
    """A labeler's judgment of one completion on its own: overall quality 1–7 (IG §3, table 3)."""

    ranking = models.ForeignKey(Ranking, on_delete=models.CASCADE, related_name="ratings")
    completion = models.ForeignKey("labeling.Completion", on_delete=models.CASCADE, related_name="ratings")
    overall = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(7)])

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ranking", "completion"], name="one_rating_per_completion"),
            models.CheckConstraint(condition=Q(overall__gte=1, overall__lte=7), name="rating_one_to_seven"),
        ]

    def __str__(self) -> str:
        return f"{self.overall} of 7"
