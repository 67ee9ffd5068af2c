"""Freezing a project over HTTP, and what came back from training."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.models import CompletionBatch, Snapshot
from labeling.permissions import object_get, project_get
from labeling.services.snapshots import snapshot_create
from labeling.tasks import snapshot_call
from people.access import FOLLOWING, MANAGING
from people.api.errors import refusals_answered
from people.models import User

NEWEST = 200


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    """A snapshot: where it stands, its digest once it is published, and counts by kind and split."""

    project = serializers.SlugField(source="project.slug", read_only=True)
    counts = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()), read_only=True)

    class Meta:
        model = Snapshot
        fields = ["id", "project", "state", "digest", "counts", "error", "created_at", "started_at", "finished_at"]
        read_only_fields = fields


class CompletionBatchSerializer(serializers.ModelSerializer[CompletionBatch]):
    """A batch of sampled completions that came back, with the tasks that it opened."""

    manifest = serializers.DictField(read_only=True)

    class Meta:
        model = CompletionBatch
        fields = [
            "digest",
            "completions_count",
            "tasks_opened",
            "same_text",
            "prompts_without_task",
            "error",
            "imported_at",
            "manifest",
        ]
        read_only_fields = fields


class SnapshotsView(ListAPIView[Snapshot]):
    """A project's snapshots, newest first; POST freezes the project as it is now."""

    serializer_class = SnapshotSerializer
    queryset = Snapshot.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All snapshots of the project, for engineers, reviewers and managers."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], FOLLOWING)
        page = self.paginate_queryset(project.snapshots.select_related("project").order_by("-pk"))
        return self.get_paginated_response(SnapshotSerializer(page, many=True).data)

    @extend_schema(request=None, responses={202: SnapshotSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Queue a snapshot. For managers."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        with refusals_answered():
            snapshot = snapshot_create(project=project, user=cast(User, request.user))
        snapshot_call(snapshot.pk)
        return Response(SnapshotSerializer(snapshot).data, status=status.HTTP_202_ACCEPTED)


class SnapshotView(APIView):
    """One snapshot."""

    @extend_schema(responses=SnapshotSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Where the snapshot stands."""
        return Response(SnapshotSerializer(object_get(cast(User, request.user), Snapshot, pk, FOLLOWING)).data)


class CompletionBatchesView(ListAPIView[CompletionBatch]):
    """The completion batches of a project, newest first."""

    serializer_class = CompletionBatchSerializer
    queryset = CompletionBatch.objects.none()
    pagination_class = None

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """The newest 200 batches, for engineers, reviewers and managers."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], FOLLOWING)
        return Response(CompletionBatchSerializer(project.completion_batches.order_by("-pk")[:NEWEST], many=True).data)
