"""What an assignment looks like over HTTP, and whose it is."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request

from labeling.models import Assignment, Task
from labeling.selectors.assignments import assignment_for, completions_shown, may_label
from labeling.selectors.reading import is_confirmed
from labeling.selectors.tasks import terms_of
from people.models import User


class ShownPromptSerializer(serializers.Serializer[Any]):
    """The prompt as the labeler sees it."""

    id = serializers.UUIDField()
    messages = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    category = serializers.CharField()


class ShownCompletionSerializer(serializers.Serializer[Any]):
    """An answer to judge. Who wrote it is not said."""

    id = serializers.UUIDField()
    text = serializers.CharField()


class ShownTaskSerializer(serializers.Serializer[Any]):
    """What is asked."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Task.Kind.choices)
    project = serializers.SlugField()
    is_withdrawn = serializers.BooleanField(help_text="Taken out of use: a label is kept as an extra one.")
    prompt = ShownPromptSerializer()
    completions = ShownCompletionSerializer(many=True)


class AssignmentSerializer(serializers.Serializer[Any]):
    """A task leased to the labeler; completions in the order drawn for them."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Assignment.State.choices)
    lease_expires_at = serializers.DateTimeField()
    draft = serializers.DictField()
    draft_number = serializers.IntegerField(help_text="Send it back as If-Match when the draft is saved.")
    draft_saved_at = serializers.DateTimeField(allow_null=True)
    instructions_version = serializers.IntegerField()
    instructions_confirmed = serializers.BooleanField(
        help_text="You said that you have read this version, or there is none to read."
    )
    form_version = serializers.IntegerField()
    is_extra = serializers.BooleanField()
    url = serializers.CharField()
    task = ShownTaskSerializer()


class LeaseSerializer(serializers.Serializer[Any]):
    """Where the assignment stands after a sign of life."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Assignment.State.choices)
    lease_expires_at = serializers.DateTimeField()
    draft_number = serializers.IntegerField()
    draft_saved_at = serializers.DateTimeField(allow_null=True)


class HeartbeatSerializer(LeaseSerializer):
    """The same, with what may have changed while the labeler was at work."""

    is_withdrawn = serializers.BooleanField(help_text="Taken out of use: a label is still taken.")
    newest_instructions = serializers.IntegerField(help_text="The newest version; the assignment keeps its own.")


def user_of(request: Request) -> User:
    """Who asks; only for views that need somebody signed in."""
    return cast(User, request.user)


def own_assignment(request: Request, pk: UUID) -> Assignment:
    """The person's own assignment: 404 for everything else, 403 when they label in its project no more."""
    assignment = assignment_for(user_of(request), pk)
    if assignment is None:
        raise NotFound("There is no such assignment.")
    if not may_label(assignment):
        raise PermissionDenied(f"You do not label in the project {assignment.task.project.name} any more.")
    return assignment


def own_kind(request: Request, pk: UUID) -> str:
    """The kind of task of the person's own assignment; 404 for everything else. What they may do the service tells."""
    mine = Assignment.objects.filter(pk=pk, labeler=user_of(request)).order_by()
    kind = mine.values_list("task__kind", flat=True).first()
    if kind is None:
        raise NotFound("There is no such assignment.")
    return kind


def shown(assignment: Assignment) -> dict[str, Any]:
    """The assignment as `AssignmentSerializer` documents it; made by hand, since it is asked for at every task."""
    task = assignment.task
    return {
        "id": assignment.pk,
        "state": assignment.state,
        "lease_expires_at": assignment.lease_expires_at,
        "draft": assignment.draft,
        "draft_number": assignment.draft_number,
        "draft_saved_at": assignment.draft_saved_at,
        "instructions_version": assignment.instructions_version,
        "instructions_confirmed": is_confirmed(assignment),
        "form_version": assignment.form_version,
        "is_extra": assignment.is_extra,
        "url": reverse("label-assignment", args=[assignment.pk]),
        "task": {
            "id": task.pk,
            "kind": task.kind,
            "project": task.project.slug,
            "is_withdrawn": task.withdrawn_at is not None,
            "prompt": {"id": task.prompt.pk, "messages": task.prompt.messages, "category": task.prompt.category},
            "completions": [
                {"id": completion.pk, "text": completion.text} for completion in completions_shown(assignment)
            ],
        },
    }


def lease(assignment: Assignment) -> dict[str, Any]:
    """Where it stands, as `LeaseSerializer` documents it."""
    return {
        "id": assignment.pk,
        "state": assignment.state,
        "lease_expires_at": assignment.lease_expires_at,
        "draft_number": assignment.draft_number,
        "draft_saved_at": assignment.draft_saved_at,
    }


def heartbeat(assignment: Assignment) -> dict[str, Any]:
    """Where it stands, as `HeartbeatSerializer` documents it."""
    return {
        **lease(assignment),
        "is_withdrawn": assignment.task.withdrawn_at is not None,
        "newest_instructions": terms_of(assignment.task.project).instructions_version,
    }
