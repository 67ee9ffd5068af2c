"""Users, projects, what a user may do in a project, and the tokens with which a user's programs do it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models
from knox.models import AbstractAuthToken

from people.plain_text import printable


class User(AbstractUser):
    """A person, or a simulated labeler, who signs in."""

    # Django's rule lets letters pass that are blank by their glyph: two people could look the same.
    username = models.CharField(
        "username",
        max_length=150,
        unique=True,
        help_text="At most 150 letters, digits and @ . + - _",
        validators=[UnicodeUsernameValidator(), printable],
        error_messages={"unique": "A user with that username already exists."},
    )
    is_simulated = models.BooleanField(
        default=False, help_text="A program that labels for a demonstration; shown as simulated wherever it appears."
    )


class Project(models.Model):
    """What prompts, labels, snapshots and runs belong to."""

    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=120, validators=[printable])
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


class Scope(models.TextChoices):
    """What a token may do of what its person may do. A token with every scope may do all that its person may."""

    READ = "read", "Read"
    LABEL = "label", "Label"
    REVIEW = "review", "Review"
    MANAGE = "manage", "Manage"
    TRAIN = "train", "Train"


def every_scope() -> list[str]:
    """All scopes: what a token has when nothing less was asked for."""
    return list(Scope.values)


class AccessToken(AbstractAuthToken):  # type: ignore[misc]  # knox has no types
    """A key with which a user's program uses the API. Only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    handle = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False, help_text="Names the token without telling it."
    )
    name = models.CharField(max_length=80, blank=True, help_text="What it is for, as its owner calls it.")
    scopes = models.JSONField(default=every_scope)
    used_on = models.DateField(null=True, blank=True, help_text="The last day on which it opened something.")

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name or f"{self.token_key}…"
