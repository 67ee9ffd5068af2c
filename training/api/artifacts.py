"""Snapshots and model versions over the API, and what settings a run takes."""

from __future__ import annotations

import dataclasses
import logging

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.access import FOLLOWING
from people.api.errors import refusals_answered
from people.refusals import Refused
from training.api.runs import followed_projects
from training.engine.config import SettingsError, as_dict, describe, settings_for
from training.models import Checkpoint, PublishedSnapshot
from training.permissions import checkpoint_required, projects_required
from training.selectors.checkpoints import checkpoint_parents, checkpoint_uses, checkpoints_of
from training.services.snapshots import snapshots_poll

logger = logging.getLogger(__name__)
_BY_PROJECT = OpenApiParameter("project", description="Only of the project with this slug.")


class PublishedSnapshotSerializer(serializers.ModelSerializer[PublishedSnapshot]):
    """A snapshot as training knows it."""

    project = serializers.CharField(source="project.slug")

    class Meta:
        model = PublishedSnapshot
        fields = ["digest", "project", "manifest", "seen_at"]


class CheckpointSerializer(serializers.ModelSerializer[Checkpoint]):
    """A model version: what it is, what it was made from, which runs used it."""

    project = serializers.CharField(source="project.slug")
    run = serializers.IntegerField(source="run_id")
    parents = serializers.SerializerMethodField()
    used_by = serializers.SerializerMethodField(help_text="Ids of the runs that started from it or asked it.")
    url = serializers.SerializerMethodField()

    class Meta:
        model = Checkpoint
        fields = ["digest", "project", "name", "kind", "run", "parents", "used_by", "manifest", "created_at", "url"]

    def get_parents(self, checkpoint: Checkpoint) -> dict[str, str]:
        return {parent.kind: parent.digest for _, parent in checkpoint_parents(checkpoint)}

    def get_used_by(self, checkpoint: Checkpoint) -> list[int]:
        return [run.pk for run in checkpoint_uses(checkpoint)]

    def get_url(self, checkpoint: Checkpoint) -> str:
        return f"/models/{checkpoint.digest}/"


class SnapshotList(ListAPIView[PublishedSnapshot]):
    """The snapshots that runs can learn from, of the projects that one follows, newest first."""

    serializer_class = PublishedSnapshotSerializer
    queryset = PublishedSnapshot.objects.none()

    @extend_schema(parameters=[_BY_PROJECT])
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """List snapshots. Looks into the store first, so that one just published is there."""
        self.queryset = PublishedSnapshot.objects.filter(project__in=followed_projects(request))
        self.queryset = self.queryset.select_related("project")
        try:
            snapshots_poll()
        except OSError:  # what is known can be listed all the same
            logger.warning("The artifact store is away.", exc_info=True)
        return super().list(request, *args, **kwargs)


class CheckpointList(ListAPIView[Checkpoint]):
    """The model versions of the projects that one follows, newest first."""

    serializer_class = CheckpointSerializer
    queryset = Checkpoint.objects.none()

    @extend_schema(parameters=[_BY_PROJECT])
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """List model versions."""
        self.queryset = checkpoints_of(followed_projects(request))
        return super().list(request, *args, **kwargs)


class CheckpointDetail(APIView):
    """One model version."""

    @extend_schema(responses=CheckpointSerializer)
    def get(self, request: Request, digest: str) -> Response:
        """A model version with its lineage."""
        return Response(CheckpointSerializer(checkpoint_required(request.user, digest)).data)


class SettingsDetail(APIView):
    """The settings of a kind of run."""

    @extend_schema(
        parameters=[OpenApiParameter("preset", description="paper, small or cpu (default).")],
        responses=inline_serializer(
            "RunSettings",
            {
                "kind": serializers.CharField(),
                "preset": serializers.CharField(),
                "values": serializers.DictField(),
                "fields": serializers.ListField(child=serializers.DictField()),
            },
        ),
    )
    def get(self, request: Request, kind: str) -> Response:
        """Every setting of a kind with its type, default, bounds, help and source; and the preset's values."""
        projects_required(request.user, FOLLOWING)
        preset = request.query_params.get("preset", "cpu")
        with refusals_answered():
            try:
                values = as_dict(settings_for(kind, preset))
            except SettingsError as error:
                raise Refused(str(error)) from error
        fields = [dataclasses.asdict(info) for info in describe(kind)]
        return Response({"kind": kind, "preset": preset, "values": values, "fields": fields})
