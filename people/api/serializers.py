"""The shapes of people and projects in the API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rest_framework import serializers

from people.models import AccessToken, Cohort, Membership, Project, Role, Scope
from people.services.tokens import LIFETIME, NAME_MAX


def refuse_unknown(data: Mapping[str, Any], known: Collection[str], writable: Collection[str] = ()) -> None:
    """Raise ValidationError, a sentence for each, for names that are not `known`; it says which are `writable`."""
    sentence = f"There is no such field; there are {', '.join(writable or known)}."
    if unknown := {str(name)[:80]: [sentence] for name in data if name not in known}:
        raise serializers.ValidationError(unknown)


class KnownFields(serializers.Serializer[Any]):
    """Where fields may be left out: a name that is misspelt is refused, not passed over."""

    def to_internal_value(self, data: Any) -> Any:
        """The values. Raises ValidationError for names that are no fields."""
        if isinstance(data, Mapping):
            refuse_unknown(data, self.fields, [name for name, field in self.fields.items() if not field.read_only])
        return super().to_internal_value(data)


class TokenRequest(KnownFields):
    """What a new token is for; with no body it may do all that its person may, for as long as the settings say."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices), required=False)
    name = serializers.CharField(max_length=NAME_MAX, required=False, default="", allow_blank=True)
    days = serializers.IntegerField(min_value=1, max_value=LIFETIME.days, required=False)


class TokenAnswer(serializers.Serializer[Any]):
    """A new token, shown this once."""

    token = serializers.CharField()
    expiry = serializers.DateTimeField(allow_null=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))


class TokenRow(serializers.ModelSerializer[AccessToken]):
    """A token that is there. What it says itself is known to its owner alone."""

    class Meta:
        model = AccessToken
        fields = ["handle", "name", "scopes", "created", "expiry", "used_on"]


_SKILLS = "What the person can judge, as in “de” and “law”; tasks may ask for it."


class MembershipOfMe(serializers.ModelSerializer[Membership]):
    """A role of the signed-in person."""

    project = serializers.SlugField(source="project.slug")
    skills = serializers.ListField(child=serializers.CharField(), help_text=_SKILLS)

    class Meta:
        model = Membership
        fields = ["project", "role", "cohort", "skills"]


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


class ProjectRequest(KnownFields):
    """A project to make."""

    slug = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    description = serializers.CharField(required=False, default="", allow_blank=True)


class MemberAnswer(serializers.ModelSerializer[Membership]):
    """A member of a project."""

    username = serializers.CharField(source="user.username")
    is_simulated = serializers.BooleanField(source="user.is_simulated")
    skills = serializers.ListField(child=serializers.CharField(), help_text=_SKILLS)

    class Meta:
        model = Membership
        fields = ["username", "role", "cohort", "skills", "is_simulated", "joined_at"]


class MemberRequest(KnownFields):
    """A person to bring into a project; with a password, a new one."""

    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)
    cohort = serializers.ChoiceField(choices=Cohort.choices, default=Cohort.TRAINING)
    skills = serializers.ListField(child=serializers.CharField(allow_blank=True), default=list, help_text=_SKILLS)
    password = serializers.CharField(max_length=128, required=False, default="", trim_whitespace=False)
    is_simulated = serializers.BooleanField(default=False)


class MemberChange(KnownFields):
    """What can be changed of a member."""

    cohort = serializers.ChoiceField(choices=Cohort.choices, required=False)
    skills = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False, help_text=_SKILLS)
