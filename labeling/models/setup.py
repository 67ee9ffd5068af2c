"""How a project is labeled: its settings and its versioned instructions."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from people.models import Project


class ProjectSetup(models.Model):
    """The labeling settings of one project. Changing them rewrites no task."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="setup")
    overlap = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)], help_text="Labels wanted for each task."
    )
    lease_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text="How long a task stays with a labeler who shows no sign of life. An open page renews it.",
    )
    valid_percent = models.PositiveSmallIntegerField(default=15, help_text="Share of authors in the validation split.")
    test_percent = models.PositiveSmallIntegerField(default=0, help_text="Share of authors in the test split.")
    open_demonstrations = models.BooleanField(
        default=True, help_text="Open a demonstration task for each imported prompt that has none yet."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(overlap__gte=1), name="setup_overlap_positive"),
            models.CheckConstraint(
                condition=Q(valid_percent__lte=90 - F("test_percent")), name="setup_splits_leave_training"
            ),
        ]

    def __str__(self) -> str:
        return f"Setup of {self.project}"

    def clean(self) -> None:
        """Splits must leave something for training. Raises ValidationError."""
        if self.valid_percent + self.test_percent > 90:
            raise ValidationError(
                "Validation and test together may take at most 90 percent: the rest is for training."
            )


class Instructions(models.Model):
    """One version of a project's instructions, in Markdown. Versions are added, never changed."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="instructions")
    version = models.PositiveIntegerField()
    text = models.TextField()
    change_note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "-version"]
        verbose_name_plural = "instructions"
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="one_text_per_version")]

    def __str__(self) -> str:
        return f"Instructions v{self.version} of {self.project}"
