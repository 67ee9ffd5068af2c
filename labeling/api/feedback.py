"""Review over HTTP: a project's labels, the feedback on them, and the labeler's side of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.history import HistoryEntrySerializer, HistoryQuerySerializer
from labeling.api.shown import user_of
from labeling.models import Assignment, Feedback
from labeling.permissions import project_get
from labeling.selectors.history import feedback_on, feedback_unread
from labeling.selectors.reviews import ReviewWanted, labels_to_review
from labeling.services.feedback import TEXT_MAX, feedback_give, feedback_mark_seen
from people.access import REVIEWING, has_role
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    """What a reviewer said about a label; `seen_at` is null until its labeler saw it."""

    reviewer = serializers.CharField(source="reviewer.username", read_only=True)

    class Meta:
        model = Feedback
        fields = ["id", "assignment", "reviewer", "grade", "text", "created_at", "seen_at"]
        read_only_fields = fields


class FeedbackGivenSerializer(KnownFields):
    """A grade 1–7 of a demonstration, words, or both."""

    grade = serializers.IntegerField(required=False, allow_null=True, default=None)
    text = serializers.CharField(required=False, allow_blank=True, default="", max_length=TEXT_MAX)


class ReviewEntrySerializer(HistoryEntrySerializer):
    """A label of the project in a list."""

    labeler = serializers.CharField(source="labeler.username")
    has_feedback = serializers.BooleanField()


class ReviewSerializer(serializers.Serializer[Any]):
    """Some of the project's labels, newest first, and where the next ones begin."""

    results = ReviewEntrySerializer(many=True)
    before = serializers.CharField(
        allow_blank=True, help_text="Send it as `before` for the next ones; empty: no more."
    )
    is_cut = serializers.BooleanField(help_text="The text was looked for up to here; there are older labels.")


class ReviewQuerySerializer(HistoryQuerySerializer):
    """What is looked for."""

    labeler = serializers.CharField(required=False, default="", allow_blank=True, max_length=150)
    feedback = serializers.ChoiceField(choices=["some", "none"], required=False, default="", allow_blank=True)


class ReviewView(APIView):
    """The labels of a project, for reviewers and managers."""

    @extend_schema(parameters=[ReviewQuerySerializer], responses=ReviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The labels, newest first, 20 at a time."""
        project = project_get(request.user, slug, REVIEWING)
        query = ReviewQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        given = query.validated_data
        wanted = ReviewWanted(query.wanted(), labeler=given["labeler"], feedback=given["feedback"])
        page = labels_to_review(project, wanted, given["before"])
        return Response(ReviewSerializer({"results": page.entries, "before": page.older, "is_cut": page.is_cut}).data)


class FeedbackView(APIView):
    """The feedback on one label: for its labeler, and for the project's reviewers and managers, who may add to it."""

    @extend_schema(responses=FeedbackSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """The feedback, newest first. Asking for it as the labeler marks it as seen."""
        assignment = _label(request, pk)
        shown = FeedbackSerializer(feedback_on(assignment), many=True).data
        feedback_mark_seen(assignment=assignment, labeler=user_of(request))
        return Response(shown)

    @extend_schema(request=FeedbackGivenSerializer, responses={201: FeedbackSerializer, 200: FeedbackSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Give feedback: 201, or 200 where you said just this already."""
        assignment = _label(request, pk)
        project_get(request.user, assignment.task.project.slug, REVIEWING)
        given = FeedbackGivenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            added, created = feedback_give(assignment_id=pk, reviewer=user_of(request), **given.validated_data)
        answer = FeedbackSerializer(added).data
        return Response(answer, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)


class UnreadFeedbackView(APIView):
    """Feedback on your labels that you have not seen yet."""

    @extend_schema(responses=FeedbackSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The newest 50. It stays new until you ask for the feedback on its label."""
        return Response(FeedbackSerializer(feedback_unread(user_of(request)), many=True).data)


def _label(request: Request, pk: UUID) -> Assignment:
    """The label, if it is the person's own or in a project that they review. Raises NotFound."""
    assignment = Assignment.objects.select_related("task__project").filter(pk=pk).first()
    if assignment is None:
        raise NotFound("There is no such label.")
    own = assignment.labeler_id == user_of(request).pk
    if not own and not has_role(request.user, assignment.task.project, REVIEWING):
        raise NotFound("There is no such label.")
    return assignment
