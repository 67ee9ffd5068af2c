"""Tasks and assignments: who answers what, now.

A task wants as many labels as it says itself, else as many as its project says. `taken` counts the slots given away;
it is changed only under a lock of the task's row, so the database itself keeps two people off the same slot.
"""

from __future__ import annotations

import random
import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from people.models import Project


def random_key() -> int:
    """A stored random number: tasks of one priority are handed out in its order without sorting at claim."""
    return random.getrandbits(31)


class Task(models.Model):
    """One unit of work: a demonstration to write or K completions to rank."""

    class Kind(models.TextChoices):
        DEMONSTRATION = "demonstration", "Demonstration"
        RANKING = "ranking", "Ranking"
        COMPARISON = "comparison", "Comparison in a dialogue"
        EVALUATION = "evaluation", "Evaluation"

    id = models.BigAutoField(primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    prompt = models.ForeignKey("labeling.Prompt", on_delete=models.CASCADE, related_name="tasks")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    priority = models.SmallIntegerField(default=0, help_text="Higher is handed out first.")
    random_key = models.IntegerField(default=random_key, editable=False)
    lane = models.CharField(
        max_length=100,
        default="training",
        editable=False,
        help_text='Whose work it is: "training" or "held_out", and the skills it needs, as in "training:de+law".',
    )
    taken = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Slots given away: leases, offers and labels that count."
    )
    is_shared = models.BooleanField(default=True, help_text="Several people label it: as many as the project says.")
    wanted = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Labels wanted of this task alone; empty: what the project says."
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="Handed out no more since then.")
    batch = models.ForeignKey(
        "labeling.CompletionBatch", null=True, blank=True, on_delete=models.CASCADE, related_name="tasks"
    )
    completions: models.ManyToManyField[models.Model, models.Model] = models.ManyToManyField(
        "labeling.Completion", through="labeling.TaskCompletion", related_name="tasks"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-priority", "random_key"]
        constraints = [
            models.CheckConstraint(condition=Q(wanted__gte=1), name="task_wants_a_label"),
            models.UniqueConstraint(
                fields=["prompt"], condition=Q(kind="demonstration"), name="one_demonstration_task_per_prompt"
            ),
        ]
        # The claim walks one of the last three. What changes with a project's settings is in none of them.
        indexes = [
            models.Index(fields=["project", "kind", "id"], name="task_listed"),
            models.Index(fields=["project", "id"], condition=Q(withdrawn_at__isnull=False), name="task_withdrawn"),
            models.Index(
                fields=["project", "kind", "lane", "priority", "random_key"],
                condition=Q(wanted__isnull=False, taken__lt=F("wanted"), withdrawn_at=None),
                name="task_own",
            ),
            models.Index(
                fields=["project", "kind", "lane", "taken", "priority", "random_key"],
                condition=Q(is_shared=True, wanted=None, taken__gte=1, withdrawn_at=None),
                name="task_begun",
            ),
            models.Index(
                fields=["project", "kind", "lane", "priority", "random_key"],
                condition=Q(wanted=None, taken=0, withdrawn_at=None),
                name="task_fresh",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class TaskCompletion(models.Model):
    """A completion that a ranking task asks about, in the task's own order."""

    # Found by the index of its constraint, as are the tasks and labelers of assignments by theirs.
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="task_completions", db_index=False)
    completion = models.ForeignKey("labeling.Completion", on_delete=models.CASCADE, related_name="task_completions")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["task", "completion"], name="completion_once_per_task"),
            models.UniqueConstraint(fields=["task", "position"], name="position_once_per_task"),
        ]

    def __str__(self) -> str:
        return f"Completion {self.position + 1} of task {self.task_id}"


class SkipKind(models.TextChoices):
    """Why a labeler hands a task back (IG §3.4)."""

    UNCLEAR = "unclear", "The task is unclear"
    EXPERTISE = "expertise", "Outside my expertise"
    BROKEN = "broken", "Something is broken"
    UPSETTING = "upsetting", "It upsets me"


class DraftRevision(models.Model):
    """An earlier state of a draft, so that typing can be undone across reloads. The newest ones are kept."""

    assignment = models.ForeignKey("labeling.Assignment", on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    draft = models.JSONField(default=dict)
    saved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["assignment", "number"], name="one_draft_per_number")]

    def __str__(self) -> str:
        return f"Draft {self.number}"


class Assignment(models.Model):
    """A task leased to a labeler, with the draft and, once submitted, the label.

    One labeler has a task at most once; the draft outlives the lease.
    """

    class State(models.TextChoices):
        OFFERED = "offered", "Offered"  # to a named person, with a slot kept
        LEASED = "leased", "In work"
        EXPIRED = "expired", "Lease ended"
        SKIPPED = "skipped", "Skipped"
        SUBMITTED = "submitted", "Submitted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments", db_index=False
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.LEASED)
    lease_expires_at = models.DateTimeField()
    shown_order = models.JSONField(default=list, help_text="Completion ids in the order that this labeler saw.")
    instructions_version = models.PositiveIntegerField(default=0)
    draft = models.JSONField(default=dict, blank=True)
    draft_saved_at = models.DateTimeField(null=True, blank=True)
    draft_number = models.PositiveIntegerField(default=0, help_text="Counts the saved drafts: two tabs tell by it.")
    form_version = models.PositiveIntegerField(default=0)
    skip_kind = models.CharField(max_length=12, choices=SkipKind.choices, blank=True)
    skip_reason = models.CharField(max_length=300, blank=True)
    focus_seconds = models.PositiveIntegerField(default=0, help_text="Time at work on it, idle time left out.")
    signals = models.JSONField(default=dict, blank=True, help_text="Counts, as of pasted characters.")
    idempotency_key = models.CharField(max_length=64, blank=True)
    is_extra = models.BooleanField(default=False, help_text="Came after the task had all its labels; kept.")
    claimed_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-claimed_at"]
        constraints = [models.UniqueConstraint(fields=["task", "labeler"], name="one_assignment_per_labeler")]
        indexes = [
            models.Index(fields=["lease_expires_at"], condition=Q(state="leased"), name="assignment_leases"),
            models.Index(fields=["labeler", "state"]),
            # A person's history and a project's newest labels, page by page.
            models.Index(
                fields=["labeler", "-submitted_at", "-id"], condition=Q(state="submitted"), name="assignment_history"
            ),
            models.Index(fields=["-submitted_at", "-id"], condition=Q(state="submitted"), name="assignment_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.task} for {self.labeler}"
