"""Files into a project, over HTTP: upload, then follow the import until it is done or failed."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.formats.names import NAMES
from labeling.models import Import
from labeling.permissions import object_get, project_get
from labeling.selectors.underway import Underway, underway_of
from labeling.services.imports import import_create
from labeling.tasks import import_call
from people.access import MANAGING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import User


class ProblemSerializer(serializers.Serializer[Any]):
    """A line that could not be imported, counted from 1."""

    line = serializers.IntegerField()
    reason = serializers.CharField()


class UnderwaySerializer(serializers.Serializer[Any]):
    """How far a job is that runs now: of an import in bytes of the file, of a curation step in prompts."""

    done = serializers.IntegerField()
    total = serializers.IntegerField()
    percent = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True, help_text="Units a second.")
    remaining = serializers.FloatField(allow_null=True, help_text="Seconds.")


class ImportSerializer(serializers.ModelSerializer[Import]):
    """An import: where it stands, what it brought, what it did not use, and the first lines that were wrong."""

    project = serializers.SlugField(source="project.slug", read_only=True)
    counts = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    problems = ProblemSerializer(many=True, read_only=True)
    not_used = serializers.CharField(read_only=True, help_text="Columns (keys of lines) that it does not know.")
    underway = serializers.SerializerMethodField(help_text="While it runs; else null.")

    class Meta:
        model = Import
        fields = [
            "id",
            "project",
            "format",
            "file_name",
            "on_error",
            "state",
            "counts",
            "problems",
            "problem_count",
            "not_used",
            "error",
            "underway",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(UnderwaySerializer(allow_null=True))
    def get_underway(self, job: Import) -> Any:
        found: dict[int, Underway] = self.context.get("underway", {})
        return UnderwaySerializer(found[job.pk]).data if job.pk in found else None


class UploadSerializer(KnownFields):
    """A file to import."""

    file = serializers.FileField(max_length=1000, allow_empty_file=True)
    format = serializers.ChoiceField(choices=list(NAMES.items()))
    on_error = serializers.ChoiceField(choices=Import.OnError.choices, default=Import.OnError.ABORT)


class ImportsView(ListAPIView[Import]):
    """A project's imports, newest first; POST uploads a file."""

    serializer_class = ImportSerializer
    queryset = Import.objects.none()
    parser_classes = [MultiPartParser]

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All imports of the project, for managers."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], MANAGING)
        page = self.paginate_queryset(project.imports.select_related("project").order_by("-pk")) or []
        context = {"underway": underway_of(job for job in page if job.state == Import.State.RUNNING)}
        return self.get_paginated_response(ImportSerializer(page, many=True, context=context).data)

    @extend_schema(request={"multipart/form-data": UploadSerializer}, responses={202: ImportSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Queue the import of a file. A file that cannot be of the format is refused at once."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        asked = UploadSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        with refusals_answered():
            job = import_create(
                project=project,
                upload=given["file"],
                format=given["format"],
                on_error=given["on_error"],
                user=cast(User, request.user),
            )
        import_call(job.pk)
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ImportView(APIView):
    """One import."""

    @extend_schema(responses=ImportSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Where the import stands, for managers."""
        job = object_get(cast(User, request.user), Import, pk, MANAGING)
        context = {"underway": underway_of([job] if job.state == Import.State.RUNNING else [])}
        return Response(ImportSerializer(job, context=context).data)
