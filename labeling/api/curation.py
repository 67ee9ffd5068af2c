"""Curation over HTTP: the funnel, steps to run and undo, and what each of them did."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.imports import UnderwaySerializer
from labeling.api.prompts import MessageSerializer, PromptSerializer
from labeling.models import CurationStep, Prompt, PromptMask
from labeling.permissions import object_get, project_get
from labeling.selectors.curation import funnel_of, prompts_dropped, prompts_masked, steps_of
from labeling.selectors.naming import naming_for
from labeling.selectors.underway import Underway, underway_of
from labeling.services.curation import curation_create, curation_undo
from labeling.tasks import curation_call
from people.access import MANAGING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import User


class StepSerializer(serializers.ModelSerializer[CurationStep]):
    """A curation step: what it was told, where it stands, what it saw and changed."""

    project = serializers.SlugField(source="project.slug", read_only=True)
    options = serializers.DictField(read_only=True)
    underway = serializers.SerializerMethodField(help_text="While it runs; else null.")

    class Meta:
        model = CurationStep
        fields = [
            "id",
            "project",
            "rule",
            "options",
            "state",
            "is_undo",
            "seen",
            "changed",
            "filled",
            "error",
            "underway",
            "created_at",
            "started_at",
            "finished_at",
            "undone_at",
        ]
        read_only_fields = fields

    @extend_schema_field(UnderwaySerializer(allow_null=True))
    def get_underway(self, step: CurationStep) -> Any:
        found: dict[int, Underway] = self.context.get("underway", {})
        return UnderwaySerializer(found[step.pk]).data if step.pk in found else None


class StepRequest(KnownFields):
    """A step to run. Options that are left out have the rule's defaults."""

    rule = serializers.ChoiceField(choices=CurationStep.Rule.choices)
    options = serializers.DictField(required=False, default=dict)


class StageSerializer(serializers.Serializer[Any]):
    """A standing step in the funnel: prompts that it holds out of use, and what is left after it."""

    step = StepSerializer()
    dropped = serializers.IntegerField()
    left = serializers.IntegerField()
    left_percent = serializers.FloatField()
    came_later = serializers.IntegerField(help_text="Prompts that came after it and that it has not seen.")


class FunnelSerializer(serializers.Serializer[Any]):
    """From all prompts that came in to those in use."""

    imported = serializers.IntegerField()
    in_use = serializers.IntegerField()
    in_use_percent = serializers.FloatField()
    stages = StageSerializer(many=True)


class MaskSerializer(serializers.ModelSerializer[PromptMask]):
    """What was masked in a prompt: how many of each kind, and the text as it is now."""

    messages = MessageSerializer(source="prompt.messages", many=True, read_only=True)
    found = serializers.DictField(child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = PromptMask
        fields = ["prompt", "found", "messages"]
        read_only_fields = fields


class CurationView(ListAPIView[CurationStep]):
    """A project's curation steps, newest first; POST runs one."""

    serializer_class = StepSerializer
    queryset = CurationStep.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All steps, undone ones included, for managers."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], MANAGING)
        page = self.paginate_queryset(steps_of(project)) or []
        return self.get_paginated_response(StepSerializer(page, many=True, context=_context(page)).data)

    @extend_schema(request=StepRequest, responses={202: StepSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Queue a step."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        asked = StepRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals_answered():
            step = curation_create(project=project, user=cast(User, request.user), **asked.validated_data)
        curation_call(step.pk)
        return Response(StepSerializer(step).data, status=status.HTTP_202_ACCEPTED)


class CurationFunnelView(APIView):
    """A project's funnel."""

    @extend_schema(responses=FunnelSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The standing steps in the order in which they were done, for managers."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        return Response(FunnelSerializer(funnel_of(project)).data)


class CurationStepView(APIView):
    """One step."""

    @extend_schema(responses=StepSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Where the step stands, for managers."""
        step = object_get(cast(User, request.user), CurationStep, pk, MANAGING)
        return Response(StepSerializer(step, context=_context([step])).data)


class CurationUndoView(APIView):
    """Undoing a step."""

    @extend_schema(request=None, responses={202: StepSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Queue the undoing: what the step dropped comes back, what it masked is shown again."""
        step = object_get(cast(User, request.user), CurationStep, pk, MANAGING)
        with refusals_answered():
            step = curation_undo(step_id=step.pk)
        curation_call(step.pk)
        return Response(StepSerializer(step).data, status=status.HTTP_202_ACCEPTED)


class CurationDroppedView(ListAPIView[Prompt]):
    """What a step holds out of use."""

    serializer_class = PromptSerializer
    queryset = Prompt.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """The prompts with the reason and, for duplicates, the prompt that was kept; oldest first, for managers."""
        user = cast(User, request.user)
        step = object_get(user, CurationStep, self.kwargs["pk"], MANAGING)
        page = self.paginate_queryset(prompts_dropped(step))
        context = {"naming": naming_for(user, step.project)}
        return self.get_paginated_response(PromptSerializer(page, many=True, context=context).data)


class CurationMasksView(ListAPIView[PromptMask]):
    """What a masking step masked."""

    serializer_class = MaskSerializer
    queryset = PromptMask.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """The masked prompts with what was found in each, for managers."""
        step = object_get(cast(User, request.user), CurationStep, self.kwargs["pk"], MANAGING)
        page = self.paginate_queryset(prompts_masked(step))
        return self.get_paginated_response(MaskSerializer(page, many=True).data)


def _context(steps: list[CurationStep]) -> dict[str, Any]:
    return {"underway": underway_of(step for step in steps if step.state == CurationStep.State.RUNNING)}
