"""Which version of the instructions you have read, over HTTP: what changed since, and saying so."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.shown import user_of
from labeling.permissions import project_get
from labeling.selectors.reading import changes_between, reading_of
from labeling.selectors.tasks import instructions_of
from labeling.services.instructions import instructions_confirm
from people.access import LABELING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import Project


class PieceSerializer(serializers.Serializer[Any]):
    """A stretch of text: in both versions, only in the older ("out"), or only in the newer ("in")."""

    kind = serializers.ChoiceField(choices=["same", "out", "in"])
    text = serializers.CharField()


class ChangeSerializer(serializers.Serializer[Any]):
    """A part of the instructions that changed."""

    title = serializers.CharField()
    pieces = PieceSerializer(many=True)


class ReadingSerializer(serializers.Serializer[Any]):
    """The newest version, the newest that you confirmed (0: none), and what changed between them."""

    newest = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    is_due = serializers.BooleanField(help_text="The newest version waits to be read.")
    changes = ChangeSerializer(many=True)


class ReadSerializer(KnownFields):
    """The version that you have read."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class ReadingView(APIView):
    """Where you stand with a project's instructions."""

    @extend_schema(responses=ReadingSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What there is, what you have read and what changed since."""
        return Response(_shown(request, project_get(request.user, slug, LABELING)))

    @extend_schema(request=ReadSerializer, responses=ReadingSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Say that you have read a version. What you have in work is given under it from then on."""
        project = project_get(request.user, slug, LABELING)
        given = ReadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            instructions_confirm(project=project, labeler=user_of(request), **given.validated_data)
        return Response(_shown(request, project))


def _shown(request: Request, project: Project) -> dict[str, Any]:
    reading = reading_of(user_of(request), project)
    old = instructions_of(project, reading.confirmed) if reading.confirmed and reading.is_due else None
    new = instructions_of(project) if old else None
    shown = {
        "newest": reading.newest,
        "confirmed": reading.confirmed,
        "is_due": reading.is_due,
        "changes": changes_between(old, new) if old and new else [],
    }
    return dict(ReadingSerializer(shown).data)
