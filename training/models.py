"""Runs, what they report, and the model versions that they leave."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from people.models import Project


class PublishedSnapshot(models.Model):
    """A snapshot that labeling published to the artifact store, as training knows it."""

    digest = models.CharField(max_length=64, unique=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="published_snapshots")
    manifest = models.JSONField()
    seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return f"Snapshot {self.digest[:12]}"


class Checkpoint(models.Model):
    """A model version: safetensors in the artifact store, named by digest, with its parents."""

    class Kind(models.TextChoices):
        POLICY = "policy", "Policy"
        REWARD = "reward", "Reward model"

    digest = models.CharField(max_length=64, unique=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="checkpoints")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    run = models.OneToOneField("training.Run", on_delete=models.PROTECT, related_name="checkpoint")
    manifest = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One training or sampling job. Its row is the queue: a worker claims it by a conditional UPDATE."""

    class Kind(models.TextChoices):
        SFT = "sft", "SFT"
        REWARD = "reward", "Reward model"
        DPO = "dpo", "DPO"
        PPO = "ppo", "PPO"
        SAMPLE = "sample", "Sample"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        CANCELLING = "cancelling", "Stopping"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Stopped"

    # Every move that a run may make: `services.runs.run_move` makes these and no other.
    MOVES: dict[str, frozenset[str]] = {
        "queued": frozenset({"running", "cancelled"}),
        "running": frozenset({"succeeded", "failed", "cancelling", "queued"}),  # queued: its worker left or was lost
        "cancelling": frozenset({"cancelled", "failed", "succeeded"}),
        "succeeded": frozenset(),
        "failed": frozenset({"queued"}),
        "cancelled": frozenset({"queued"}),
    }
    LIVE = ("queued", "running", "cancelling")
    FINAL = ("succeeded", "failed", "cancelled")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    snapshot = models.ForeignKey(PublishedSnapshot, on_delete=models.PROTECT, related_name="runs")
    policy = models.ForeignKey(
        Checkpoint,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="runs_from",
        help_text="Empty: the base model.",
    )
    reward = models.ForeignKey(
        Checkpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="runs_rewarded"
    )
    sampled: models.ManyToManyField[Checkpoint, models.Model] = models.ManyToManyField(
        Checkpoint, blank=True, related_name="runs_sampled", help_text="The models that a sample run asks."
    )
    sample_base = models.BooleanField(default=False, help_text="A sample run asks the base model too.")
    dry_run = models.BooleanField(default=False, help_text="Takes its first steps, says what the whole will cost.")
    preset = models.CharField(max_length=20)
    settings = models.JSONField(default=dict)
    summary = models.JSONField(default=dict, blank=True)
    notes = models.JSONField(default=list, blank=True)
    phase = models.CharField(max_length=30, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    phase_started_at = models.DateTimeField(null=True, blank=True)
    progress_at = models.DateTimeField(null=True, blank=True)
    log_tail = models.TextField(blank=True)
    error = models.TextField(blank=True)
    completions_digest = models.CharField(max_length=64, blank=True)
    node = models.CharField(max_length=120, blank=True)
    attempt = models.PositiveIntegerField(default=0, help_text="How often workers took it; the last one owns it.")
    restarts = models.PositiveIntegerField(
        default=0, help_text="How often it was queued again by itself since it last saved its state."
    )
    saved_step = models.PositiveIntegerField(
        null=True, blank=True, help_text="Step of the newest saved state, on the node, from which it can go on."
    )
    key = models.CharField(
        max_length=64, blank=True, help_text="Of the request: the same request twice starts one run."
    )
    request = models.CharField(max_length=64, blank=True, help_text="SHA-256 of what was asked for under the key.")
    requested_by = models.ForeignKey(django_settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    called_at = models.DateTimeField(default=timezone.now, help_text="When a worker was last asked to take it.")
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running", "cancelling"]), name="run_live")
        ]
        constraints = [
            # A checkpoint's digest covers its project and name: two runs of one name could make one and the same.
            models.UniqueConstraint(fields=["project", "name"], condition=~Q(name=""), name="one_run_per_name"),
            models.UniqueConstraint(fields=["project", "key"], condition=~Q(key=""), name="one_run_per_request"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "cancelling"], finished_at=None)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
                name="run_ends_when_final",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.get_kind_display()} {self.pk}"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended, whichever way."""
        return self.state in self.FINAL

    @property
    def can_go_on(self) -> bool:
        """Whether the run ended before its end and left a state to go on from."""
        return self.state in (self.State.FAILED, self.State.CANCELLED) and self.saved_step is not None


class Metric(models.Model):
    """One line of a run's `metrics.jsonl` that a chart or table shows."""

    class Type(models.TextChoices):
        METRICS = "metrics", "Training"
        EVAL = "eval", "Evaluation"
        SAMPLE = "sample", "Sample"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    line = models.PositiveIntegerField(help_text="Line number in metrics.jsonl: reading it twice adds nothing.")
    type = models.CharField(max_length=10, choices=Type.choices)
    step = models.IntegerField()
    values = models.JSONField()
    time = models.DateTimeField()

    class Meta:
        ordering = ["run", "line"]
        constraints = [models.UniqueConstraint(fields=["run", "line"], name="one_metric_per_line")]

    def __str__(self) -> str:
        return f"{self.type} of {self.run_id} at step {self.step}"
