"""Rating forms over HTTP: what is asked about each answer and about the prompt, in versions."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.forms import DEFAULT_FIELDS, INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS, TYPES
from labeling.models import RatingForm
from labeling.permissions import project_get
from labeling.services.forms import NOTE_MAX, rating_form_add
from people.access import MANAGING
from people.api.errors import refusals_answered
from people.api.serializers import refuse_unknown
from people.models import Role, User

READY_MADE = {"instructgpt": (INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS)}


class _Underscored(serializers.Serializer[Any]):
    """Declares `label_` for the key "label": some keys of a form are names that a serializer itself uses."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The fields by the keys of the JSON."""
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}


class FieldSerializer(_Underscored):
    """One thing that is asked; `min` and `max` belong to a scale, `options` to a choice."""

    name = serializers.CharField()
    label_ = serializers.CharField()
    type = serializers.ChoiceField(choices=list(TYPES.items()))
    min = serializers.IntegerField(required=False)
    max = serializers.IntegerField(required=False)
    options = serializers.ListField(child=serializers.CharField(), required=False)
    help = serializers.CharField(required=False, allow_blank=True)
    required_ = serializers.BooleanField(required=False)


class FormSerializer(_Underscored):
    """One version of a project's rating form. Version 0 is the form of a project that has none of its own."""

    version = serializers.IntegerField()
    fields_ = FieldSerializer(many=True)
    prompt_fields = FieldSerializer(many=True)
    change_note = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)


class FormRequest(_Underscored):
    """A version to add: definitions of fields, or the name of a ready-made form in their place."""

    ready_made = serializers.ChoiceField(choices=sorted(READY_MADE), required=False)
    fields_ = FieldSerializer(many=True, required=False)
    prompt_fields = FieldSerializer(many=True, required=False)
    change_note = serializers.CharField(max_length=NOTE_MAX, required=False, default="", allow_blank=True)


class FormsView(ListAPIView[RatingForm]):
    """The versions of a project's rating form, newest first; POST adds one."""

    serializer_class = FormSerializer
    queryset = RatingForm.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All versions, for members."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], tuple(Role))
        page = self.paginate_queryset(RatingForm.objects.filter(project=project).order_by("-version"))
        return self.get_paginated_response(FormSerializer(page, many=True).data)

    @extend_schema(request=FormRequest, responses={201: FormSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Add a version. The newest form again adds nothing and answers with that version."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        with refusals_answered():
            added = rating_form_add(project=project, **_asked(request.data))
        return Response(FormSerializer(added).data, status=status.HTTP_201_CREATED)


class FormView(APIView):
    """One version of a project's rating form."""

    @extend_schema(responses=FormSerializer)
    def get(self, request: Request, slug: str, version: int) -> Response:
        """The version that an assignment names; 0 is the form of a project that has none. For members."""
        project = project_get(cast(User, request.user), slug, tuple(Role))
        row = RatingForm.objects.filter(project=project, version=version).first()
        if row is not None:
            return Response(FormSerializer(row).data)
        if version != 0:
            raise NotFound("The project's rating form has no such version.")
        fields = [field.as_json() for field in DEFAULT_FIELDS]
        default = {"version": 0, "fields": fields, "prompt_fields": [], "change_note": "", "created_at": None}
        return Response(FormSerializer(default).data)


def _asked(data: Any) -> dict[str, Any]:
    """The arguments of `rating_form_add`. The definitions themselves are judged by their own rule, there."""
    if not isinstance(data, dict):
        raise ValidationError({"detail": "A form is an object with fields, or with the name of a ready-made form."})
    refuse_unknown(data, FormRequest().fields)
    note = data.get("change_note", "")
    if not isinstance(note, str):
        raise ValidationError({"change_note": ["A text."]})
    if "ready_made" not in data:
        return {
            "fields": data.get("fields", []),
            "prompt_fields": data.get("prompt_fields", []),
            "change_note": note,
        }
    if not isinstance(data["ready_made"], str) or data["ready_made"] not in READY_MADE:
        raise ValidationError({"ready_made": [f"One of: {', '.join(READY_MADE)}."]})
    if "fields" in data or "prompt_fields" in data:
        raise ValidationError({"ready_made": ["Give either the name of a ready-made form or fields."]})
    fields, prompt_fields = READY_MADE[data["ready_made"]]
    return {
        "fields": [field.as_json() for field in fields],
        "prompt_fields": [field.as_json() for field in prompt_fields],
        "change_note": note,
    }
