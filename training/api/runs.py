"""Runs over the API: listed, started, watched, stopped."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.access import FOLLOWING, TRAINING, projects_for
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import Project, User
from training import tasks
from training.engine.config import KINDS, PRESETS
from training.models import Metric, Run
from training.permissions import projects_required, require, run_required
from training.selectors.runs import run_checkpoint, run_metrics, run_models, run_remaining_seconds, runs_of
from training.services.runs import run_cancel, run_create, run_resume


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run as the API tells it: models by digest, null for the base model or for what there is not."""

    project = serializers.CharField(source="project.slug")
    snapshot = serializers.CharField(source="snapshot.digest")
    policy = serializers.CharField(source="policy.digest", default=None, allow_null=True)
    reward = serializers.CharField(source="reward.digest", default=None, allow_null=True)
    models = serializers.SerializerMethodField()
    checkpoint = serializers.SerializerMethodField()
    completions_digest = serializers.SerializerMethodField()
    remaining_seconds = serializers.SerializerMethodField(help_text="Of the present phase, at its rate so far.")
    can_go_on = serializers.BooleanField(read_only=True, help_text="Whether it can be resumed from its saved state.")
    url = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            *("id", "name", "project", "kind", "state", "phase", "done", "total", "remaining_seconds", "notes"),
            *("summary", "error", "snapshot", "policy", "reward", "models", "checkpoint", "completions_digest"),
            *("dry_run", "preset", "settings", "node", "attempt", "saved_step", "can_go_on"),
            *("created_at", "started_at", "finished_at", "url"),
        ]

    def get_models(self, run: Run) -> list[str]:
        return run_models(run)

    def get_checkpoint(self, run: Run) -> str | None:
        checkpoint = run_checkpoint(run)
        return checkpoint.digest if checkpoint else None

    def get_completions_digest(self, run: Run) -> str | None:
        return run.completions_digest or None

    def get_remaining_seconds(self, run: Run) -> float | None:
        return run_remaining_seconds(run)

    def get_url(self, run: Run) -> str:
        return f"/runs/{run.pk}/"


class RunRequestSerializer(KnownFields):
    """What to run. Models and the snapshot by digest, its first characters, or a model's name."""

    project = serializers.SlugField(help_text="The project's slug.")
    kind = serializers.ChoiceField(choices=KINDS)
    snapshot = serializers.CharField(max_length=64)
    preset = serializers.ChoiceField(choices=PRESETS, default="cpu")
    settings = serializers.DictField(default=dict, help_text="Only the settings that differ from the preset.")
    policy = serializers.CharField(max_length=120, allow_null=True, allow_blank=True, default="")
    reward = serializers.CharField(max_length=120, allow_null=True, allow_blank=True, default="")
    models = serializers.ListField(
        child=serializers.CharField(max_length=120), default=list, help_text='Of a sample run: "base" and policies.'
    )
    name = serializers.CharField(max_length=120, allow_blank=True, default="")
    dry_run = serializers.BooleanField(
        default=False, help_text="Take the first steps only: the summary says what the whole will cost."
    )


class MetricSerializer(serializers.ModelSerializer[Metric]):
    """One line that a run reported."""

    class Meta:
        model = Metric
        fields = ["line", "type", "step", "values", "time"]


class RunList(ListAPIView[Run]):
    """The runs of the projects that one follows, newest first; a new run is queued and starts by itself."""

    serializer_class = RunSerializer
    queryset = Run.objects.none()

    @extend_schema(parameters=[OpenApiParameter(name) for name in ("project", "kind", "state")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List runs."""
        runs = runs_of(followed_projects(request)).select_related("snapshot", "policy", "reward")
        asked = {name: request.query_params[name] for name in ("kind", "state") if request.query_params.get(name)}
        self.queryset = runs.filter(**asked)
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[OpenApiParameter("Idempotency-Key", location=OpenApiParameter.HEADER)],
        request=RunRequestSerializer,
        responses={201: RunSerializer, 200: RunSerializer},
    )
    def post(self, request: Request) -> Response:
        """Start a run. The same request with the same Idempotency-Key answers 200 with the run that it started."""
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > 64:
            raise serializers.ValidationError({"Idempotency-Key": ["Must have at most 64 characters."]})
        asked = RunRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values: dict[str, Any] = asked.validated_data
        project = get_object_or_404(Project, slug=values.pop("project"))
        require(request.user, project, TRAINING)
        values |= {name: values[name] or "" for name in ("policy", "reward")}
        with refusals_answered():
            run, is_new = run_create(project=project, requested_by=cast(User, request.user), key=key, **values)
        tasks.run_call(run.pk)
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


class RunDetail(APIView):
    """One run."""

    @extend_schema(responses=RunSerializer)
    def get(self, request: Request, run_id: int) -> Response:
        """State, progress, inputs, settings and results of a run."""
        return Response(RunSerializer(run_required(request.user, run_id)).data)


class RunCancel(APIView):
    """Stopping a run."""

    @extend_schema(request=None, responses=RunSerializer)
    def post(self, request: Request, run_id: int) -> Response:
        """Stop a run: a queued one at once, a running one within seconds. 409 when it has ended already."""
        run_required(request.user, run_id, TRAINING)
        with refusals_answered():
            run_cancel(run_id=run_id)
        return Response(RunSerializer(run_required(request.user, run_id)).data)


class RunResume(APIView):
    """Going on with a run."""

    @extend_schema(request=None, responses=RunSerializer)
    def post(self, request: Request, run_id: int) -> Response:
        """Queue a failed or stopped run to go on from its saved state. 409 where it cannot."""
        run_required(request.user, run_id, TRAINING)
        with refusals_answered():
            run_resume(run_id=run_id)
        tasks.run_call(run_id)
        return Response(RunSerializer(run_required(request.user, run_id)).data)


class RunMetrics(APIView):
    """What a run reported."""

    @extend_schema(
        parameters=[OpenApiParameter("after", int, description="Only lines after this one.")],
        responses=MetricSerializer(many=True),
    )
    def get(self, request: Request, run_id: int) -> Response:
        """Reported lines in order, at most 5,000: ask again after the last line for more."""
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 9:
            raise serializers.ValidationError({"after": ["Must be a line number."]})
        run = run_required(request.user, run_id)
        return Response(MetricSerializer(run_metrics(run, after=int(after)), many=True).data)


def followed_projects(request: Request) -> QuerySet[Project]:
    """The projects whose models and snapshots to list: all that one follows, or the one that ?project= names."""
    projects = projects_required(request.user, FOLLOWING)
    if slug := request.query_params.get("project"):
        projects = projects_for(request.user, FOLLOWING).filter(slug=slug)
    return projects
