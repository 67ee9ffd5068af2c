"""My work over HTTP: progress, own labels found again, corrected, with the feedback on them, and earlier drafts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.labels import DemonstrationSubmitSerializer, RankingSubmitSerializer
from labeling.api.shown import own_assignment, user_of
from labeling.models import Assignment, Demonstration, Ranking, Task
from labeling.selectors.history import Wanted, correction_ends_at, label_given, labels_of
from labeling.selectors.progress import progress_of
from labeling.selectors.writing import revisions_of
from labeling.services.corrections import label_correct
from people.api.errors import refusals_answered


class ProgressSerializer(serializers.Serializer[Any]):
    """Labels of one kind in one project, and the seconds in focus that they took: today, and since Monday."""

    project = serializers.SlugField()
    kind = serializers.ChoiceField(choices=Task.Kind.choices)
    today = serializers.IntegerField()
    week = serializers.IntegerField()
    seconds_today = serializers.IntegerField()
    seconds_week = serializers.IntegerField()


class HistoryEntrySerializer(serializers.Serializer[Any]):
    """One of your labels in a list."""

    assignment = serializers.UUIDField(source="pk")
    kind = serializers.CharField(source="task.kind")
    project = serializers.SlugField(source="task.project.slug")
    prompt = serializers.CharField(source="task.prompt.__str__", help_text="The beginning of its last message.")
    submitted_at = serializers.DateTimeField()
    is_extra = serializers.BooleanField()


class HistorySerializer(serializers.Serializer[Any]):
    """Some of your labels, newest first, and where the next ones begin."""

    results = HistoryEntrySerializer(many=True)
    before = serializers.CharField(
        allow_blank=True, help_text="Send it as `before` for the next ones; empty: no more."
    )
    is_cut = serializers.BooleanField(help_text="The text was looked for up to here; there are older labels.")


class HistoryQuerySerializer(serializers.Serializer[Any]):
    """What is looked for. Days are whole ones, both included."""

    q = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=200, help_text="Text of prompts, answers and notes."
    )
    kind = serializers.ChoiceField(choices=Task.Kind.choices, required=False, default="", allow_blank=True)
    project = serializers.SlugField(required=False, default="", allow_blank=True)
    since = serializers.DateField(required=False, default=None)
    until = serializers.DateField(required=False, default=None)
    before = serializers.CharField(required=False, default="", allow_blank=True)

    def wanted(self) -> Wanted:
        """The same as the selector takes it."""
        given = self.validated_data
        return Wanted(given["q"], given["kind"], given["project"], given["since"], given["until"])


class GivenSerializer(serializers.Serializer[Any]):
    """A label as it was given: `text` of a demonstration, or `groups` and what belongs to them of a ranking."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    superseded_at = serializers.DateTimeField(allow_null=True)
    provenance = serializers.CharField()
    instructions_version = serializers.IntegerField()
    form_version = serializers.IntegerField()
    prompt_values = serializers.DictField()
    text = serializers.CharField(required=False)
    groups = serializers.ListField(child=serializers.ListField(child=serializers.CharField()), required=False)
    ratings = serializers.DictField(required=False)
    strengths = serializers.ListField(child=serializers.IntegerField(), required=False, allow_null=True)
    all_bad = serializers.BooleanField(required=False)
    note = serializers.CharField(required=False)


class MyLabelSerializer(serializers.Serializer[Any]):
    """Your label of an assignment, and those that it superseded, newest first."""

    assignment = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Task.Kind.choices)
    submitted_at = serializers.DateTimeField()
    correction_ends_at = serializers.DateTimeField(allow_null=True, help_text="Null: labels are not corrected here.")
    may_correct = serializers.BooleanField()
    given = GivenSerializer()
    earlier = GivenSerializer(many=True)


class RevisionSerializer(serializers.Serializer[Any]):
    """A draft as it once was."""

    number = serializers.IntegerField()
    saved_at = serializers.DateTimeField()
    draft = serializers.DictField()


class RevisionsSerializer(serializers.Serializer[Any]):
    """The earlier drafts that are kept, newest first. Save one as the draft to go on from it."""

    results = RevisionSerializer(many=True)


_CORRECT = PolymorphicProxySerializer(
    component_name="LabelCorrect",
    serializers=[DemonstrationSubmitSerializer, RankingSubmitSerializer],
    resource_type_field_name=None,
)
_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, required=True, description="Repeating it repeats the answer."
)


@extend_schema(responses=ProgressSerializer(many=True))
@api_view(["GET"])
def progress(request: Request) -> Response:
    """What you did today and this week, by project and kind."""
    return Response(ProgressSerializer(progress_of(user_of(request)), many=True).data)


@extend_schema(parameters=[HistoryQuerySerializer], responses=HistorySerializer)
@api_view(["GET"])
def history(request: Request) -> Response:
    """Your labels, newest first, 20 at a time."""
    query = HistoryQuerySerializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    page = labels_of(user_of(request), query.wanted(), query.validated_data["before"])
    return Response(HistorySerializer({"results": page.entries, "before": page.older, "is_cut": page.is_cut}).data)


@extend_schema(responses=MyLabelSerializer)
@api_view(["GET"])
def assignment_label(request: Request, pk: UUID) -> Response:
    """Your label of an assignment; 404 while there is none."""
    assignment = own_assignment(request, pk)
    if assignment.state != Assignment.State.SUBMITTED:
        raise NotFound("This assignment has no label yet.")
    return Response(_my_label(assignment))


@extend_schema(request=_CORRECT, parameters=[_KEY], responses={201: GivenSerializer, 200: GivenSerializer})
@api_view(["POST"])
def assignment_correct(request: Request, pk: UUID) -> Response:
    """Correct your label within the edit window: 201 with the new one, which takes the old one's place.

    200 and the same answer for the same key; 409 before there is a label, and when the time is over.
    """
    assignment = own_assignment(request, pk)
    kind = DemonstrationSubmitSerializer if _is_written(assignment) else RankingSubmitSerializer
    given: serializers.Serializer[Any] = kind(data=request.data)
    given.is_valid(raise_exception=True)
    measured = ("focus_seconds", "signals")  # of the first time; a correction has none of its own
    values = {name: value for name, value in given.validated_data.items() if name not in measured}
    key = request.headers.get("Idempotency-Key", "").strip()
    with refusals_answered():
        label, created = label_correct(assignment_id=pk, labeler=user_of(request), key=key, **values)
    return Response(_given(label), status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)


@extend_schema(responses=RevisionsSerializer)
@api_view(["GET"])
def assignment_revisions(request: Request, pk: UUID) -> Response:
    """The earlier drafts of an assignment."""
    revisions = revisions_of(own_assignment(request, pk))
    return Response(RevisionsSerializer({"results": revisions}).data)


def _is_written(assignment: Assignment) -> bool:
    return assignment.task.kind == Task.Kind.DEMONSTRATION


def _my_label(assignment: Assignment) -> dict[str, Any]:
    given = label_given(assignment)
    ends_at = correction_ends_at(assignment)
    return {
        "assignment": assignment.pk,
        "kind": assignment.task.kind,
        "submitted_at": assignment.submitted_at,
        "correction_ends_at": ends_at,
        "may_correct": ends_at is not None and timezone.now() < ends_at,
        "given": _given(given.label),
        "earlier": [_given(one.label) for one in given.earlier],
    }


def _given(label: Demonstration | Ranking) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": label.pk,
        "created_at": label.created_at,
        "superseded_at": label.superseded_at,
        "provenance": label.provenance,
        "instructions_version": label.instructions_version,
        "form_version": label.form_version,
        "prompt_values": label.prompt_values,
    }
    if isinstance(label, Demonstration):
        return shown | {"text": label.text}
    overall = {
        str(r.completion_id): ({"overall": r.overall} if r.overall else {}) | r.values for r in label.ratings.all()
    }
    return shown | {
        "groups": label.groups,
        "ratings": overall,
        "strengths": label.strengths,
        "all_bad": label.all_bad,
        "note": label.note,
    }
