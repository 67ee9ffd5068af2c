"""The workplace over HTTP: claim, read, keep a draft, renew, release and skip. All that the pages do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shown import (
    AssignmentSerializer,
    HeartbeatSerializer,
    LeaseSerializer,
    heartbeat,
    lease,
    own_assignment,
    own_kind,
    shown,
    user_of,
)
from labeling.models import Assignment, SkipKind, Task
from labeling.permissions import project_get
from labeling.services.assignments import assignment_heartbeat, assignment_release, assignment_resume
from labeling.services.claims import assignment_claim_anywhere, assignment_claim_next
from labeling.services.drafts import DraftMoved, assignment_save_draft
from labeling.services.skips import SKIP_REASON_MAX, assignment_skip
from people.access import LABELING
from people.api.errors import RefusedRequest, refusals_answered
from people.api.serializers import KnownFields
from people.models import Project
from people.prepared import Prepared


class NextSerializer(KnownFields):
    """Which kind of work is wanted, any when left out, and whether one more than is held already."""

    kind = serializers.ChoiceField(choices=Task.Kind.choices, required=False)
    another = serializers.BooleanField(
        default=False, help_text="One more task than you hold, up to the project's cap; else you get the held one."
    )


class SkipSerializer(KnownFields):
    """Why the task is handed back: a kind, or words, or both; what is broken needs words."""

    kind = serializers.ChoiceField(choices=SkipKind.choices, required=False, allow_blank=True, default="")
    reason = serializers.CharField(max_length=SKIP_REASON_MAX, required=False, allow_blank=True, default="")


_BY_SLUG = Prepared(lambda slug: Project.objects.select_related("setup").filter(slug=slug), slug=str)
_NONE = OpenApiResponse(description="Nothing is open to you.")
_SEEN = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The draft_number that this draft was made from. 412 with the newer draft when another one was "
    "saved since; without the header the last one saved wins.",
)


@extend_schema(request=NextSerializer, responses={201: AssignmentSerializer, 204: _NONE})
@api_view(["POST"])
def assignments_next(request: Request, slug: str) -> Response:
    """Take the next task: what you hold, what was offered to you, what you left, or the first open one."""
    project = _BY_SLUG.first(slug=slug)
    if project is None:
        raise NotFound("No such project.")
    wanted = _wanted(request)
    try:
        with refusals_answered():
            assignment = assignment_claim_next(labeler=user_of(request), project=project, **wanted)
    except PermissionDenied:
        project_get(request.user, slug, LABELING)  # a stranger is told that there is no such project
        raise
    return _taken(assignment)


@extend_schema(request=NextSerializer, responses={201: AssignmentSerializer, 204: _NONE})
@api_view(["POST"])
def assignments_next_anywhere(request: Request) -> Response:
    """Take the next task of any of your projects, by the projects' priority."""
    wanted = _wanted(request)
    with refusals_answered():
        assignment = assignment_claim_anywhere(labeler=user_of(request), **wanted)
    return _taken(assignment)


@extend_schema(responses=AssignmentSerializer)
@api_view(["GET"])
def assignment_detail(request: Request, pk: UUID) -> Response:
    """One of your assignments, with the prompt, the answers in your order and your draft."""
    return Response(shown(own_assignment(request, pk)))


@extend_schema(
    request=OpenApiTypes.OBJECT, parameters=[_SEEN], responses={200: LeaseSerializer, 412: AssignmentSerializer}
)
@api_view(["PUT"])
def assignment_draft(request: Request, pk: UUID) -> Response:
    """Keep unfinished work: any JSON object up to 1 MB. Renews the lease.

    Its keys `focus_seconds` and `signals` are what was measured: they are noted apart from the draft.
    """
    seen = _number(request.headers.get("If-Match", ""))
    try:
        with refusals_answered():
            assignment = assignment_save_draft(
                assignment_id=pk, labeler=user_of(request), draft=request.data, seen=seen
            )
    except Exception as error:
        moved = error.__cause__
        if isinstance(moved, DraftMoved):
            newer = {"detail": str(moved), "draft": moved.assignment.draft, **lease(moved.assignment)}
            return Response(newer, status=status.HTTP_412_PRECONDITION_FAILED)
        raise
    return Response(lease(assignment))


@extend_schema(request=None, responses=HeartbeatSerializer)
@api_view(["POST"])
def assignment_heartbeat_view(request: Request, pk: UUID) -> Response:
    """Say that you are at work: renews the lease, or takes up an ended one while a slot is open."""
    with refusals_answered():
        assignment = assignment_heartbeat(assignment_id=pk, labeler=user_of(request))
    return Response(heartbeat(assignment))


@extend_schema(request=None, responses=LeaseSerializer)
@api_view(["POST"])
def assignment_resume_view(request: Request, pk: UUID) -> Response:
    """Take up again what you skipped or what ran out; 409 when others have given all its labels."""
    with refusals_answered():
        assignment = assignment_resume(assignment_id=pk, labeler=user_of(request))
    return Response(lease(assignment))


@extend_schema(request=None, responses=LeaseSerializer)
@api_view(["POST"])
def assignment_release_view(request: Request, pk: UUID) -> Response:
    """Give the task back at once because you leave it. Your draft stays, and `next` offers it to you first."""
    with refusals_answered():
        assignment = assignment_release(assignment_id=pk, labeler=user_of(request))
    return Response(lease(assignment))


@extend_schema(request=SkipSerializer, responses=LeaseSerializer)
@api_view(["POST"])
def assignment_skip_view(request: Request, pk: UUID) -> Response:
    """Hand the task back at once and say why. Your draft stays."""
    own_kind(request, pk)
    given = SkipSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    with refusals_answered():
        assignment = assignment_skip(assignment_id=pk, labeler=user_of(request), **given.validated_data)
    return Response(lease(assignment))


def _wanted(request: Request) -> dict[str, Any]:
    wanted = NextSerializer(data=request.data)
    wanted.is_valid(raise_exception=True)
    return dict(wanted.validated_data)


def _taken(assignment: Assignment | None) -> Response:
    if assignment is None:
        return Response(status=status.HTTP_204_NO_CONTENT)
    return Response(shown(assignment), status=status.HTTP_201_CREATED)


def _number(if_match: str) -> int | None:
    """The draft number of an If-Match header, quoted or not; None without one, or for any."""
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text or text == "*":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise RefusedRequest("If-Match holds the draft_number that you saw last, as a whole number.")
    return int(text)
