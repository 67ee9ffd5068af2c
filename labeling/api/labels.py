"""Labels over HTTP: submit one, and go on with a dialogue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.shown import own_kind, user_of
from labeling.models import Demonstration, Ranking, Task
from labeling.services.demonstrations import demonstration_submit
from labeling.services.dialogues import dialogue_continue
from labeling.services.rankings import ranking_submit
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields


class _MeasuredSerializer(KnownFields):
    prompt_values = serializers.DictField(
        required=False, default=dict, help_text="The form's fields about the prompt, by name."
    )
    focus_seconds = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=2**31 - 1,
        help_text="Time at work on it, idle time left out.",
    )
    signals = serializers.DictField(required=False, default=dict, help_text="Counts, as of pasted characters.")


class DemonstrationSubmitSerializer(_MeasuredSerializer):
    """The labeler's own answer."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)


class RankingSubmitSerializer(_MeasuredSerializer):
    """Completion ids in ordered groups, best first, several in a group being a tie, and what was thought of each."""

    groups = serializers.ListField(child=serializers.ListField(child=serializers.CharField(max_length=64)))
    ratings = serializers.DictField(
        required=False,
        default=dict,
        help_text="By completion id: the rating form's fields by name, or a whole number 1–7 for the overall quality.",
    )
    strengths = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Between neighbouring groups, how much better the upper one is, where the project asks.",
    )
    all_bad = serializers.BooleanField(default=False, help_text="None of the answers is acceptable.")
    note = serializers.CharField(allow_blank=True, required=False, default="")


class SubmittedSerializer(serializers.Serializer[Any]):
    """The label that now exists."""

    id = serializers.UUIDField()
    assignment = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Task.Kind.choices)
    provenance = serializers.CharField()
    is_extra = serializers.BooleanField(help_text="It came after the task had all its labels, and is kept.")
    created_at = serializers.DateTimeField()


class ContinueSerializer(KnownFields):
    """The next message of the dialogue, and the reply that goes on where several share the first rank."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)
    completion = serializers.UUIDField(required=False, default=None)


class TurnSerializer(serializers.Serializer[Any]):
    """The new turn, a prompt that waits for replies."""

    id = serializers.UUIDField()
    messages = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))


_SUBMIT = PolymorphicProxySerializer(
    component_name="LabelSubmit",
    serializers=[DemonstrationSubmitSerializer, RankingSubmitSerializer],
    resource_type_field_name=None,
)
_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, required=True, description="Repeating it repeats the answer."
)


@extend_schema(request=_SUBMIT, parameters=[_KEY], responses={201: SubmittedSerializer, 200: SubmittedSerializer})
@api_view(["POST"])
def assignment_submit(request: Request, pk: UUID) -> Response:
    """Submit the label: 201 the first time, 200 and the same answer for the same key, 409 for another key after it."""
    # A body that can only be a ranking spares asking what the task is; the service refuses one for another kind.
    is_ranking = "groups" in request.data if isinstance(request.data, dict) else False
    kind = Task.Kind.RANKING if is_ranking else own_kind(request, pk)
    label: Demonstration | Ranking
    common: dict[str, Any] = {
        "assignment_id": pk,
        "labeler": user_of(request),
        "key": request.headers.get("Idempotency-Key", "").strip(),
    }
    if kind == Task.Kind.DEMONSTRATION:
        given: serializers.Serializer[Any] = DemonstrationSubmitSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            label, created = demonstration_submit(**common, **given.validated_data)
    else:
        given = RankingSubmitSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            label, created = ranking_submit(**common, **given.validated_data)
    assert label.assignment is not None  # noqa: S101 - tells the type checker what holds
    answer = {
        "id": label.pk,
        "assignment": pk,
        "kind": label.assignment.task.kind,
        "provenance": label.provenance,
        "is_extra": label.assignment.is_extra,
        "created_at": label.created_at,
    }
    return Response(answer, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)


@extend_schema(request=ContinueSerializer, responses={201: TurnSerializer})
@api_view(["POST"])
def assignment_continue(request: Request, pk: UUID) -> Response:
    """Go on with a dialogue after you compared its replies: your message follows the one you ranked first."""
    own_kind(request, pk)
    given = ContinueSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    chosen = given.validated_data["completion"]
    with refusals_answered():
        turn = dialogue_continue(
            assignment_id=pk,
            labeler=user_of(request),
            text=given.validated_data["text"],
            completion_id=None if chosen is None else str(chosen),
        )
    return Response({"id": turn.pk, "messages": turn.messages}, status=status.HTTP_201_CREATED)
