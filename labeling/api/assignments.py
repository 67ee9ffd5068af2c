"""The workplace over HTTP: claim, read, keep a draft, renew, skip and submit. All that the pages do."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.models import Assignment, Demonstration, Ranking, Task
from labeling.permissions import project_get
from labeling.selectors.assignments import assignment_for, completions_shown
from labeling.services.assignments import assignment_heartbeat, assignment_resume
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.drafts import assignment_save_draft
from labeling.services.rankings import ranking_submit
from labeling.services.skips import SKIP_REASON_MAX, assignment_skip
from people.access import LABELING, has_role
from people.api.errors import refusals_answered
from people.models import User


class NextSerializer(serializers.Serializer[Any]):
    """Which kind of work is wanted; any when left out."""

    kind = serializers.ChoiceField(choices=Task.Kind.choices, required=False)


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
    prompt = ShownPromptSerializer()
    completions = ShownCompletionSerializer(many=True)


class AssignmentSerializer(serializers.Serializer[Any]):
    """A task leased to the labeler; completions in the order drawn for them."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Assignment.State.choices)
    lease_expires_at = serializers.DateTimeField()
    draft = serializers.DictField()
    draft_saved_at = serializers.DateTimeField(allow_null=True)
    instructions_version = serializers.IntegerField()
    is_extra = serializers.BooleanField()
    url = serializers.CharField()
    task = ShownTaskSerializer()


class LeaseSerializer(serializers.Serializer[Any]):
    """Where the assignment stands after a sign of life."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Assignment.State.choices)
    lease_expires_at = serializers.DateTimeField()
    draft_saved_at = serializers.DateTimeField(allow_null=True)


class SkipSerializer(serializers.Serializer[Any]):
    """Why the task is handed back."""

    reason = serializers.CharField(max_length=SKIP_REASON_MAX)


class DemonstrationSubmitSerializer(serializers.Serializer[Any]):
    """The labeler's own answer."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)


class RankingSubmitSerializer(serializers.Serializer[Any]):
    """Completion ids in ordered groups, best first, several in a group being a tie; ratings 1–7 where given."""

    groups = serializers.ListField(child=serializers.ListField(child=serializers.CharField(max_length=64)))
    ratings = serializers.DictField(child=serializers.IntegerField(), required=False, default=dict)
    note = serializers.CharField(allow_blank=True, required=False, default="")


class SubmittedSerializer(serializers.Serializer[Any]):
    """The label that now exists."""

    id = serializers.UUIDField()
    assignment = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Task.Kind.choices)
    provenance = serializers.CharField()
    is_extra = serializers.BooleanField()
    created_at = serializers.DateTimeField()


_SUBMIT = PolymorphicProxySerializer(
    component_name="LabelSubmit",
    serializers=[DemonstrationSubmitSerializer, RankingSubmitSerializer],
    resource_type_field_name=None,
)
_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, required=True, description="Repeating it repeats the answer."
)


@extend_schema(
    request=NextSerializer,
    responses={201: AssignmentSerializer, 204: OpenApiResponse(description="Nothing is open to you.")},
)
@api_view(["POST"])
def assignments_next(request: Request, slug: str) -> Response:
    """Take the next task: what you hold already, what you left, or the first open one."""
    project = project_get(request.user, slug, LABELING)
    wanted = NextSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    with refusals_answered():
        assignment = assignment_claim_next(
            labeler=_user(request), project=project, kind=wanted.validated_data.get("kind")
        )
    if assignment is None:
        return Response(status=status.HTTP_204_NO_CONTENT)
    return Response(_shown(_own(request, assignment.pk)), status=status.HTTP_201_CREATED)


@extend_schema(responses=AssignmentSerializer)
@api_view(["GET"])
def assignment_detail(request: Request, pk: UUID) -> Response:
    """One of your assignments, with the prompt, the answers in your order and your draft."""
    return Response(_shown(_own(request, pk)))


@extend_schema(request=OpenApiTypes.OBJECT, responses=LeaseSerializer)
@api_view(["PUT"])
def assignment_draft(request: Request, pk: UUID) -> Response:
    """Keep unfinished work: any JSON object up to 1 MB. Renews the lease."""
    _own(request, pk)
    with refusals_answered():
        assignment = assignment_save_draft(assignment_id=pk, labeler=_user(request), draft=request.data)
    return Response(LeaseSerializer(assignment).data)


@extend_schema(request=None, responses=LeaseSerializer)
@api_view(["POST"])
def assignment_heartbeat_view(request: Request, pk: UUID) -> Response:
    """Say that you are at work: renews the lease, or takes up an ended one while a slot is open."""
    _own(request, pk)
    with refusals_answered():
        assignment = assignment_heartbeat(assignment_id=pk, labeler=_user(request))
    return Response(LeaseSerializer(assignment).data)


@extend_schema(request=None, responses=LeaseSerializer)
@api_view(["POST"])
def assignment_resume_view(request: Request, pk: UUID) -> Response:
    """Take up again what you skipped or what ran out; 409 when others have given all its labels."""
    _own(request, pk)
    with refusals_answered():
        assignment = assignment_resume(assignment_id=pk, labeler=_user(request))
    return Response(LeaseSerializer(assignment).data)


@extend_schema(request=SkipSerializer, responses=LeaseSerializer)
@api_view(["POST"])
def assignment_skip_view(request: Request, pk: UUID) -> Response:
    """Hand the task back at once, with a reason. Your draft stays."""
    _own(request, pk)
    given = SkipSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    with refusals_answered():
        assignment = assignment_skip(assignment_id=pk, labeler=_user(request), reason=given.validated_data["reason"])
    return Response(LeaseSerializer(assignment).data)


@extend_schema(request=_SUBMIT, parameters=[_KEY], responses={201: SubmittedSerializer, 200: SubmittedSerializer})
@api_view(["POST"])
def assignment_submit(request: Request, pk: UUID) -> Response:
    """Submit the label: 201 the first time, 200 and the same answer for the same key, 409 for another key after it."""
    assignment = _own(request, pk)
    label: Demonstration | Ranking
    common: dict[str, Any] = {
        "assignment_id": pk,
        "labeler": _user(request),
        "key": request.headers.get("Idempotency-Key", "").strip(),
    }
    if assignment.task.kind == Task.Kind.DEMONSTRATION:
        given: serializers.Serializer[Any] = DemonstrationSubmitSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            label, created = demonstration_submit(**common, **given.validated_data)
    else:
        given = RankingSubmitSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            label, created = ranking_submit(**common, **given.validated_data)
    assignment.refresh_from_db(fields=["is_extra"])
    answer = {
        "id": label.pk,
        "assignment": assignment.pk,
        "kind": assignment.task.kind,
        "provenance": label.provenance,
        "is_extra": assignment.is_extra,
        "created_at": label.created_at,
    }
    return Response(
        SubmittedSerializer(answer).data, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK
    )


def _user(request: Request) -> User:
    return cast(User, request.user)


def _own(request: Request, pk: UUID) -> Assignment:
    """The person's own assignment: 404 for everything else, 403 when they label in its project no more."""
    assignment = assignment_for(_user(request), pk)
    if assignment is None:
        raise NotFound("There is no such assignment.")
    if not has_role(request.user, assignment.task.project, LABELING):
        raise PermissionDenied(f"You do not label in the project {assignment.task.project.name} any more.")
    return assignment


def _shown(assignment: Assignment) -> dict[str, Any]:
    task = assignment.task
    values = {
        "id": assignment.pk,
        "state": assignment.state,
        "lease_expires_at": assignment.lease_expires_at,
        "draft": assignment.draft,
        "draft_saved_at": assignment.draft_saved_at,
        "instructions_version": assignment.instructions_version,
        "is_extra": assignment.is_extra,
        "url": reverse("label-assignment", args=[assignment.pk]),
        "task": {
            "id": task.pk,
            "kind": task.kind,
            "project": task.project.slug,
            "prompt": task.prompt,
            "completions": completions_shown(assignment),
        },
    }
    return cast(dict[str, Any], AssignmentSerializer(values).data)
