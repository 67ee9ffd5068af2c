"""Prompts with their labels, and a project's counts, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast
from uuid import UUID

from django.db.models import prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.imports import ImportSerializer
from labeling.models import Completion, CurationStep, Demonstration, Import, Prompt, Ranking
from labeling.permissions import object_get, project_get
from labeling.selectors.naming import Naming, naming_for
from labeling.selectors.overview import project_overview
from labeling.selectors.prompts import prompts_found
from labeling.services.prompt_posts import AT_ONCE, prompts_post
from people.access import FOLLOWING, MANAGING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import User


class MessageSerializer(serializers.Serializer[Any]):
    """One turn of a dialogue."""

    role = serializers.ChoiceField(choices=["system", "user", "assistant"])
    content = serializers.CharField()


class PromptSerializer(serializers.ModelSerializer[Prompt]):
    """A prompt. Needs the reader's `naming` in its context, as do the labels."""

    messages = MessageSerializer(many=True, read_only=True)
    author = serializers.SerializerMethodField(help_text="For engineers a pseudonym.")
    organisation = serializers.SerializerMethodField(help_text="For engineers a pseudonym.")
    dropped_by = serializers.PrimaryKeyRelatedField[CurationStep](
        read_only=True, help_text="The curation step that took it out of use; null while it is in use."
    )

    class Meta:
        model = Prompt
        fields = [
            "id",
            "external_id",
            "messages",
            "author",
            "organisation",
            "source",
            "kind",
            "category",
            "language",
            "split",
            "parent",
            "dropped_by",
            "drop_reason",
            "duplicate_of",
            "created_at",
        ]
        read_only_fields = fields

    def get_author(self, prompt: Prompt) -> str:
        return cast(Naming, self.context["naming"]).author(prompt)

    def get_organisation(self, prompt: Prompt) -> str:
        return cast(Naming, self.context["naming"]).organisation(prompt)


class DemonstrationSerializer(serializers.ModelSerializer[Demonstration]):
    """A person's own answer; the labeler is empty for an imported one."""

    labeler = serializers.SerializerMethodField(help_text="For engineers the pseudonym that snapshots carry.")

    class Meta:
        model = Demonstration
        fields = ["id", "text", "labeler", "provenance", "instructions_version", "created_at"]
        read_only_fields = fields

    def get_labeler(self, demonstration: Demonstration) -> str:
        return cast(Naming, self.context["naming"]).labeler(demonstration)


class RankingSerializer(serializers.ModelSerializer[Ranking]):
    """Completion ids in ordered groups, best first; several in a group are a tie."""

    labeler = serializers.SerializerMethodField(help_text="For engineers the pseudonym that snapshots carry.")
    groups = serializers.ListField(child=serializers.ListField(child=serializers.UUIDField()), read_only=True)

    class Meta:
        model = Ranking
        fields = ["id", "groups", "note", "labeler", "provenance", "instructions_version", "created_at"]
        read_only_fields = fields

    def get_labeler(self, ranking: Ranking) -> str:
        return cast(Naming, self.context["naming"]).labeler(ranking)


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
    """Counts: prompts in use by split and out of use, labels by provenance, tasks that want labels by kind."""

    prompts = serializers.DictField(child=serializers.IntegerField())
    out_of_use = serializers.IntegerField()
    demonstrations = serializers.DictField(child=serializers.IntegerField())
    rankings = serializers.DictField(child=serializers.IntegerField())
    tasks_open = serializers.DictField(child=serializers.IntegerField())
    labels_wanted = serializers.DictField(child=serializers.IntegerField())


class PromptsRequest(KnownFields):
    """Prompts to add, each a text or an object with the fields that a line of the format `prompts` has."""

    prompts = serializers.ListField(child=serializers.JSONField(), max_length=AT_ONCE, allow_empty=False)
    on_error = serializers.ChoiceField(choices=Import.OnError.choices, default=Import.OnError.ABORT)


class PromptsView(ListAPIView[Prompt]):
    """A project's prompts; POST adds some."""

    serializer_class = PromptSerializer
    queryset = Prompt.objects.none()

    @extend_schema(
        parameters=[
            OpenApiParameter("search"),
            OpenApiParameter("split"),
            OpenApiParameter("in_use", bool, description="Only prompts that curation left in use (true), or out."),
        ]
    )
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """A project's prompts, of one `split` where given.

        With `search`, those of that id, id in the source or author, whole; where there are none, those of the newest
        20,000 whose text holds it.

        Engineers see authors by pseudonym and cannot search for them.
        """
        user = cast(User, request.user)
        project = project_get(user, self.kwargs["slug"], FOLLOWING)
        naming = naming_for(user, project)
        search, split, in_use = (request.query_params.get(name, "") for name in ("search", "split", "in_use"))
        found = prompts_found(
            project,
            search=search,
            split=split,
            authors=naming.is_open,
            in_use={"true": True, "false": False}.get(in_use),
        )
        page = self.paginate_queryset(found)
        return self.get_paginated_response(PromptSerializer(page, many=True, context={"naming": naming}).data)

    @extend_schema(request=PromptsRequest, responses={201: ImportSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Add up to 1,000 prompts at once, for managers: all of them or none, by the rules of an import."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        asked = PromptsRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        with refusals_answered():
            job = prompts_post(
                project=project, values=given["prompts"], on_error=given["on_error"], user=cast(User, request.user)
            )
        return Response(ImportSerializer(job).data, status=status.HTTP_201_CREATED)


class PromptView(APIView):
    """One prompt with its demonstrations, rankings and completions."""

    @extend_schema(responses=PromptDetailSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """For engineers, reviewers and managers; engineers see people by pseudonym."""
        user = cast(User, request.user)
        prompt = object_get(user, Prompt, pk, FOLLOWING)
        prefetch_related_objects([prompt], "demonstrations__labeler", "rankings__labeler", "completions")
        naming = naming_for(user, prompt.project)
        return Response(PromptDetailSerializer(prompt, context={"naming": naming}).data)


class OverviewView(APIView):
    """Where a project's data stands."""

    @extend_schema(responses=OverviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """Counts of prompts, labels and open tasks."""
        project = project_get(cast(User, request.user), slug, FOLLOWING)
        return Response(asdict(project_overview(project)))
