"""Prompts with their labels, and a project's counts, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast
from uuid import UUID

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.models import Completion, Demonstration, Prompt, Ranking
from labeling.permissions import object_get, project_get
from labeling.selectors.overview import project_overview
from labeling.selectors.prompts import prompts_found
from people.access import FOLLOWING
from people.models import User


class MessageSerializer(serializers.Serializer[Any]):
    """One turn of a dialogue."""

    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = serializers.CharField()


class PromptSerializer(serializers.ModelSerializer[Prompt]):
    """A prompt."""

    messages = MessageSerializer(many=True, read_only=True)

    class Meta:
        model = Prompt
        fields = [
            "id",
            "external_id",
            "messages",
            "author",
            "source",
            "category",
            "language",
            "split",
            "created_at",
        ]
        read_only_fields = fields


class DemonstrationSerializer(serializers.ModelSerializer[Demonstration]):
    """A person's own answer; the labeler is empty for an imported one."""

    labeler = serializers.CharField(source="labeler.username", default="", read_only=True)

    class Meta:
        model = Demonstration
        fields = ["id", "text", "labeler", "provenance", "instructions_version", "created_at"]
        read_only_fields = fields


class RankingSerializer(serializers.ModelSerializer[Ranking]):
    """Completion ids in ordered groups, best first; several in a group are a tie."""

    labeler = serializers.CharField(source="labeler.username", default="", read_only=True)
    groups = serializers.ListField(child=serializers.ListField(child=serializers.UUIDField()), read_only=True)

    class Meta:
        model = Ranking
        fields = ["id", "groups", "note", "labeler", "provenance", "instructions_version", "created_at"]
        read_only_fields = fields


class PromptCompletionSerializer(serializers.ModelSerializer[Completion]):
    """An answer with the model that wrote it."""

    class Meta:
        model = Completion
        fields = ["id", "text", "model", "checkpoint", "created_at"]
        read_only_fields = fields


class PromptDetailSerializer(PromptSerializer):
    """A prompt with all that was said about it."""

    demonstrations = DemonstrationSerializer(many=True, read_only=True)
    rankings = RankingSerializer(many=True, read_only=True)
    completions = PromptCompletionSerializer(many=True, read_only=True)

    class Meta(PromptSerializer.Meta):
        fields = [*PromptSerializer.Meta.fields, "demonstrations", "rankings", "completions"]
        read_only_fields = fields


class OverviewSerializer(serializers.Serializer[Any]):
    """Counts: prompts by split, labels by provenance, tasks that want labels by kind."""

    prompts = serializers.DictField(child=serializers.IntegerField())
    demonstrations = serializers.DictField(child=serializers.IntegerField())
    rankings = serializers.DictField(child=serializers.IntegerField())
    tasks_open = serializers.DictField(child=serializers.IntegerField())
    labels_wanted = serializers.DictField(child=serializers.IntegerField())


class PromptsView(ListAPIView[Prompt]):
    """A project's prompts."""

    serializer_class = PromptSerializer
    queryset = Prompt.objects.none()

    @extend_schema(parameters=[OpenApiParameter("search"), OpenApiParameter("split")])
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Prompts whose words, id or author hold `search`, of one `split` where given."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], FOLLOWING)
        asked = request.query_params
        page = self.paginate_queryset(
            prompts_found(project, search=asked.get("search", ""), split=asked.get("split", ""))
        )
        return self.get_paginated_response(PromptSerializer(page, many=True).data)


class PromptView(APIView):
    """One prompt with its demonstrations, rankings and completions."""

    @extend_schema(responses=PromptDetailSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """For engineers, reviewers and managers."""
        prompt = object_get(cast(User, request.user), Prompt, pk, FOLLOWING)
        prefetch_related_objects([prompt], "demonstrations__labeler", "rankings__labeler", "completions")
        return Response(PromptDetailSerializer(prompt).data)


class OverviewView(APIView):
    """Where a project's data stands."""

    @extend_schema(responses=OverviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Counts of prompts, labels and open tasks."""
        project = project_get(cast(User, request.user), slug, FOLLOWING)
        return Response(asdict(project_overview(project)))
