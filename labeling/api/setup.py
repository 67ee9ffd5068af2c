"""How a project is labeled, over HTTP: its settings and its versioned instructions."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.models import Instructions, ProjectSetup, Task
from labeling.permissions import project_get
from labeling.services.instructions import instructions_add
from labeling.services.projects import SETTINGS, project_setup_ensure, project_setup_update
from people.access import MANAGING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import Role, User


class SetupSerializer(KnownFields, serializers.ModelSerializer[ProjectSetup]):
    """The labeling settings of a project."""

    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=Task.Kind.choices),
        allow_empty=False,
        help_text="Kinds of task that are handed out. Those of other kinds wait.",
    )

    class Meta:
        model = ProjectSetup
        fields = SETTINGS


class InstructionsSerializer(KnownFields, serializers.ModelSerializer[Instructions]):
    """One version of a project's instructions, in Markdown."""

    class Meta:
        model = Instructions
        fields = [
            "version",
            "text",
            "examples",
            "training_priorities",
            "evaluation_priorities",
            "change_note",
            "created_at",
        ]
        read_only_fields = ["version", "created_at"]


class SetupView(APIView):
    """The labeling settings of a project."""

    @extend_schema(responses=SetupSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The settings, for members."""
        project = project_get(cast(User, request.user), slug, tuple(Role))
        return Response(SetupSerializer(project_setup_ensure(project=project)).data)

    @extend_schema(request=SetupSerializer(partial=True), responses=SetupSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Change the settings that are given. Splits that are drawn already stay."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        asked = SetupSerializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        with refusals_answered():
            setup = project_setup_update(project=project, **cast(dict[str, Any], asked.validated_data))
        return Response(SetupSerializer(setup).data)


class InstructionsView(ListAPIView[Instructions]):
    """The versions of a project's instructions, newest first; POST adds one."""

    serializer_class = InstructionsSerializer
    queryset = Instructions.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All versions, for members."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], tuple(Role))
        page = self.paginate_queryset(Instructions.objects.filter(project=project).order_by("-version"))
        return self.get_paginated_response(InstructionsSerializer(page, many=True).data)

    @extend_schema(request=InstructionsSerializer, responses={201: InstructionsSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Add a version. The newest text again adds nothing and answers with that version."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        asked = InstructionsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals_answered():
            added = instructions_add(project=project, **asked.validated_data)
        return Response(InstructionsSerializer(added).data, status=status.HTTP_201_CREATED)
