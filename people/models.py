"""Users, projects, and what a user may do in a project."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person, or a simulated labeler, who signs in."""

    is_simulated = models.BooleanField(
        default=False, help_text="A program that labels for a demonstration; shown as simulated wherever it appears."
    )


class Project(models.Model):
    """What prompts, labels, snapshots and runs belong to."""

    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    is_active = models.BooleanField(default=True, help_text="An inactive project hands out no tasks.")
    created_at = models.DateTimeField(auto_now_add=True)
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="projects"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member does. Managers may do all that labelers and reviewers do."""

    LABELER = "labeler", "Labeler"
    REVIEWER = "reviewer", "Reviewer"
    MANAGER = "manager", "Project manager"
    ENGINEER = "engineer", "ML engineer"


class Cohort(models.TextChoices):
    """Held-out labelers give no training data; their labels show how a model generalises to new people (IG §3.4)."""

    TRAINING = "training", "Training labeler"
    HELD_OUT = "held_out", "Held-out labeler"


class Membership(models.Model):
    """One role of one user in one project."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    cohort = models.CharField(max_length=20, choices=Cohort.choices, default=Cohort.TRAINING)
    skills = models.JSONField(default=list, blank=True, help_text='What the person can judge, as in ["de", "law"].')
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "user"]
        constraints = [models.UniqueConstraint(fields=["user", "project", "role"], name="one_membership_per_role")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.project}"
