"""How a project is labeled: its settings and its versioned instructions."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from labeling.models.task import Task
from people.models import Project

MAX_EDIT_HOURS = 24 * 365


def every_kind() -> list[str]:
    """All kinds of task: what a project hands out unless it says less."""
    return list(Task.Kind.values)


class SplitBy(models.TextChoices):
    """Whose prompts stay together in one split (IG §3.2 says user, its appendix organisation)."""

    AUTHOR = "author", "Author"
    ORGANISATION = "organisation", "Organisation, else author"


class SkillsBy(models.TextChoices):
    """Which property of a prompt asks for a labeler's skill."""

    NONE = "none", "Nothing: every labeler may get every task"
    LANGUAGE = "language", "The prompt's language"
    CATEGORY = "category", "The prompt's use case"
    BOTH = "both", "Language and use case"


class ProjectSetup(models.Model):
    """The labeling settings of one project. Changing them rewrites no task."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="setup")
    # What is asked.
    kinds = models.JSONField(
        default=every_kind,
        help_text="Kinds of task that are handed out. Those of other kinds wait.",
    )
    answers_per_task = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(2), MaxValueValidator(9)],
        help_text="K: answers in a ranking task opened from now on (InstructGPT: 4 to 9).",
    )
    allow_ties = models.BooleanField(default=True, help_text="Answers may share a rank (InstructGPT encouraged it).")
    strength_levels = models.PositiveSmallIntegerField(
        default=0,
        choices=[
            (0, "Not asked"),
            (3, "3: slightly, clearly, much better"),
            (4, "4: barely, slightly, clearly, much"),
        ],
        help_text="Ask between neighbouring ranks how much better the upper one is.",
    )
    open_demonstrations = models.BooleanField(
        default=True, help_text="Open a demonstration task for each imported prompt that has none yet."
    )
    # Who is asked, and how often.
    overlap = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="Labels wanted for each shared task; every other task gets one.",
    )
    shared_percent = models.PositiveSmallIntegerField(
        default=100,
        validators=[MaxValueValidator(100)],
        help_text="Share of the tasks opened from now on that are shared (10 to 20 measures agreement at low cost).",
    )
    max_labels = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(20)],
        help_text="Where people disagree, ask for one more label up to this many; 0 asks for none.",
    )
    agreement_floor = models.PositiveSmallIntegerField(
        default=60,
        validators=[MaxValueValidator(100)],
        help_text="Percent of pairs ordered alike below which a task counts as one where people disagree.",
    )
    skills_by = models.CharField(max_length=10, choices=SkillsBy.choices, default=SkillsBy.NONE)
    priority = models.SmallIntegerField(default=0, help_text="Among projects: higher is offered first.")
    lease_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text="How long a task stays with a labeler who shows no sign of life. An open page renews it.",
    )
    open_cap = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Tasks that one person may hold at a time.",
    )
    daily_cap = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Labels a day by one person; empty: any.",
    )
    edit_window_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MaxValueValidator(MAX_EDIT_HOURS)],
        help_text="How long a labeler may correct an own label; the first one is kept. 0: never.",
    )
    # Where prompts go.
    split_by = models.CharField(max_length=12, choices=SplitBy.choices, default=SplitBy.AUTHOR)
    valid_percent = models.PositiveSmallIntegerField(default=15, help_text="Share of authors in the validation split.")
    test_percent = models.PositiveSmallIntegerField(default=0, help_text="Share of authors in the test split.")
    # What is kept.
    keep_originals = models.BooleanField(
        default=True,
        help_text="Keep the text of prompts in which personal data is masked, so that masking can be undone.",
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
        """What settings cannot mean together. Raises ValidationError with one sentence."""
        kinds = self.kinds if isinstance(self.kinds, list) else []
        if not kinds or not set(map(str, kinds)) <= set(Task.Kind.values):
            raise ValidationError(f"The kinds of task are one or more of {', '.join(Task.Kind.values)}.")
        self.kinds = [kind for kind in Task.Kind.values if kind in kinds]
        if self.valid_percent + self.test_percent > 90:
            raise ValidationError(
                "Validation and test together may take at most 90 percent: the rest is for training."
            )
        if self.max_labels and self.overlap < 2:
            raise ValidationError(
                "People can disagree only where a task gets two labels: raise the overlap to 2, or set the limit to 0."
            )
        if self.max_labels and self.max_labels <= self.overlap:
            raise ValidationError(
                f"With {self.overlap} labels for each shared task, the limit where people disagree must be "
                f"{self.overlap + 1} or more, or 0 for none."
            )
        self._check_split_by()

    def _check_split_by(self) -> None:
        stored = ProjectSetup.objects.filter(project_id=self.project_id).values_list("split_by", flat=True).first()
        if stored not in (None, self.split_by) and self.project.prompts.exists():
            raise ValidationError(
                "The project has prompts, whose splits never move, so by whom they are split can no longer be changed."
            )


class RatingForm(models.Model):
    """One version of what is asked about each answer, and about the prompt, before answers are ranked.

    `fields` and `prompt_fields` are lists of field definitions; `labeling.forms` has their rule. Versions are added,
    never changed.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rating_forms")
    version = models.PositiveIntegerField()
    fields = models.JSONField(default=list)
    prompt_fields = models.JSONField(default=list, blank=True)
    change_note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "-version"]
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="one_form_per_version")]

    def __str__(self) -> str:
        return f"Rating form v{self.version} of {self.project}"


class Instructions(models.Model):
    """One version of a project's instructions, in Markdown. Versions are added, never changed."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="instructions")
    version = models.PositiveIntegerField()
    text = models.TextField()
    examples = models.TextField(blank=True, help_text="Worked examples, in Markdown.")
    training_priorities = models.TextField(
        blank=True, help_text="What comes first in labels for training (InstructGPT: helpfulness)."
    )
    evaluation_priorities = models.TextField(
        blank=True, help_text="What comes first in final evaluations (InstructGPT: truthfulness and harmlessness)."
    )
    change_note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "-version"]
        verbose_name_plural = "instructions"
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="one_text_per_version")]

    def __str__(self) -> str:
        return f"Instructions v{self.version} of {self.project}"


class InstructionsRead(models.Model):
    """That a labeler has seen a version of the instructions and said so."""

    instructions = models.ForeignKey(Instructions, on_delete=models.CASCADE, related_name="reads")
    labeler = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="instructions_read")
    confirmed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instructions", "labeler"], name="one_confirmation_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.labeler} read {self.instructions}"
