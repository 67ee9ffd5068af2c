"""What is wrong with tasks, over HTTP: labelers flag, managers read flags and skips and settle flags."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shown import own_kind, user_of
from labeling.models import Assignment, Flag, SkipKind
from labeling.permissions import project_get
from labeling.selectors.troubles import flags_of, skips_by_kind, skips_of
from labeling.services.flags import NOTE_MAX, flag_raise, flag_settle
from people.access import MANAGING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields


class FlagSerializer(serializers.ModelSerializer[Flag]):
    """A labeler's note that something is wrong with a task."""

    prompt = serializers.UUIDField(source="task.prompt_id", read_only=True)
    raised_by = serializers.CharField(source="raised_by.username", read_only=True)
    settled_by = serializers.CharField(source="settled_by.username", read_only=True, default=None)

    class Meta:
        model = Flag
        fields = ["id", "task", "prompt", "note", "raised_by", "created_at", "settled_at", "settled_by", "answer"]
        read_only_fields = fields


class FlagRaiseSerializer(KnownFields):
    """What is wrong."""

    note = serializers.CharField(max_length=NOTE_MAX, allow_blank=True)


class FlagSettleSerializer(KnownFields):
    """What was done about it, for the labeler; may be empty."""

    answer = serializers.CharField(max_length=NOTE_MAX, allow_blank=True, required=False, default="")


class SkipGivenSerializer(serializers.ModelSerializer[Assignment]):
    """A task that somebody handed back."""

    labeler = serializers.CharField(source="labeler.username", read_only=True)
    prompt = serializers.UUIDField(source="task.prompt_id", read_only=True)
    kind = serializers.ChoiceField(source="skip_kind", choices=SkipKind.choices, allow_blank=True, read_only=True)
    reason = serializers.CharField(source="skip_reason", read_only=True)

    class Meta:
        model = Assignment
        fields = ["id", "task", "prompt", "labeler", "kind", "reason", "claimed_at"]
        read_only_fields = fields


@extend_schema(request=FlagRaiseSerializer, responses={201: FlagSerializer})
@api_view(["POST"])
def assignment_flag(request: Request, pk: UUID) -> Response:
    """Tell the managers that something is wrong with your task. The task stays yours."""
    own_kind(request, pk)
    given = FlagRaiseSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    with refusals_answered():
        flag = flag_raise(assignment_id=pk, labeler=user_of(request), note=given.validated_data["note"])
    return Response(FlagSerializer(flag).data, status=status.HTTP_201_CREATED)


class FlagsView(ListAPIView[Flag]):
    """A project's flags, newest first."""

    serializer_class = FlagSerializer
    queryset = Flag.objects.none()

    @extend_schema(parameters=[OpenApiParameter("open", bool, description="Only open ones, or only settled ones.")])
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """For managers."""
        project = project_get(user_of(request), self.kwargs["slug"], MANAGING)
        asked = {"true": True, "1": True, "false": False, "0": False}.get(request.query_params.get("open", "").lower())
        page = self.paginate_queryset(flags_of(project, is_open=asked))
        return self.get_paginated_response(FlagSerializer(page, many=True).data)


class SkipsView(ListAPIView[Assignment]):
    """What labelers of a project skipped, and how many of each kind."""

    serializer_class = SkipGivenSerializer
    queryset = Assignment.objects.none()

    @extend_schema(parameters=[OpenApiParameter("kind", str, enum=SkipKind.values)])
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """For managers; `by_kind` counts all of them, those without a kind under the empty name."""
        project = project_get(user_of(request), self.kwargs["slug"], MANAGING)
        kind = request.query_params.get("kind")
        page = self.paginate_queryset(skips_of(project, kind if kind in SkipKind.values else None))
        answer = self.get_paginated_response(SkipGivenSerializer(page, many=True).data)
        cast(dict[str, Any], answer.data)["by_kind"] = skips_by_kind(project)
        return answer


@extend_schema(request=FlagSettleSerializer, responses=FlagSerializer)
@api_view(["POST"])
def flag_settle_view(request: Request, pk: int) -> Response:
    """Close a flag, with an answer to the labeler where there is one. For managers."""
    flag = Flag.objects.select_related("task__project").filter(pk=pk).first()
    if flag is None:
        raise Http404("No such flag.")
    project_get(user_of(request), flag.task.project.slug, MANAGING)
    given = FlagSettleSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    with refusals_answered():
        settled = flag_settle(flag_id=pk, settled_by=user_of(request), answer=given.validated_data["answer"])
    return Response(FlagSerializer(settled).data)
