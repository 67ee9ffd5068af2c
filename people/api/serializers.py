"""The shapes of people and projects in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from people.models import Cohort, Membership, Project, Role


class TokenAnswer(serializers.Serializer[Any]):
    """A new token, shown this once."""

    token = serializers.CharField()
    expiry = serializers.DateTimeField(allow_null=True)


class MembershipOfMe(serializers.ModelSerializer[Membership]):
    """A role of the signed-in person."""

    project = serializers.SlugField(source="project.slug")

    class Meta:
        model = Membership
        fields = ["project", "role", "cohort"]


class Me(serializers.Serializer[Any]):
    """The signed-in person."""

    username = serializers.CharField()
    is_superuser = serializers.BooleanField()
    is_simulated = serializers.BooleanField()
    memberships = MembershipOfMe(many=True)


class ProjectAnswer(serializers.ModelSerializer[Project]):
    """A project as its members see it."""

    class Meta:
        model = Project
        fields = ["slug", "name", "description", "is_active", "created_at"]


class ProjectRequest(serializers.Serializer[Any]):
    """A project to make."""

    slug = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    description = serializers.CharField(required=False, default="", allow_blank=True)


class MemberAnswer(serializers.ModelSerializer[Membership]):
    """A member of a project."""

    username = serializers.CharField(source="user.username")
    is_simulated = serializers.BooleanField(source="user.is_simulated")

    class Meta:
        model = Membership
        fields = ["username", "role", "cohort", "is_simulated", "joined_at"]


class MemberRequest(serializers.Serializer[Any]):
    """A person to bring into a project; with a password, a new one."""

    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)
    cohort = serializers.ChoiceField(choices=Cohort.choices, default=Cohort.TRAINING)
    password = serializers.CharField(max_length=128, required=False, default="", trim_whitespace=False)
    is_simulated = serializers.BooleanField(default=False)
