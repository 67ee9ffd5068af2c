"""Tasks over HTTP: ask about given answers, offer a task to named people, change what it wants."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.shown import user_of
from labeling.models import Assignment, Prompt, Task
from labeling.permissions import object_get, project_get
from labeling.services.answers import ANSWERS_MAX, ASKED, MODEL_MAX, Answer, answers_add
from labeling.services.offers import offer_withdraw, task_offer
from labeling.services.openings import PROMPTS_MAX, tasks_open_on
from labeling.services.tasks import WANTED_MAX, task_change
from people.access import MANAGING, TRAINING
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import Cohort, User


class TaskSerializer(serializers.ModelSerializer[Task]):
    """A task as managers see it: how many labels it wants by itself, and how many slots are given away."""

    is_withdrawn = serializers.SerializerMethodField()

    class Meta:
        model = Task
        fields = ["id", "prompt", "kind", "lane", "priority", "is_shared", "wanted", "taken", "is_withdrawn"]
        read_only_fields = fields

    def get_is_withdrawn(self, task: Task) -> bool:
        return task.withdrawn_at is not None


class TaskChangeSerializer(KnownFields):
    """What to change; what is left out stays."""

    priority = serializers.IntegerField(required=False, min_value=-32768, max_value=32767)
    wanted = serializers.IntegerField(
        required=False, min_value=0, max_value=WANTED_MAX, help_text="0: as many labels as the project says."
    )
    is_withdrawn = serializers.BooleanField(
        source="withdrawn", required=False, help_text="Hand it out no more, or again."
    )


class AnswerSerializer(serializers.Serializer[Any]):
    """An answer, and the model that wrote it."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)
    model = serializers.CharField(max_length=MODEL_MAX, required=False, allow_blank=True, default="")


class AnswersSerializer(KnownFields):
    """Answers to one prompt, and how to ask about them."""

    answers = serializers.ListField(child=AnswerSerializer(), max_length=ANSWERS_MAX)
    kind = serializers.ChoiceField(choices=[(kind, kind) for kind in ASKED], default=Task.Kind.RANKING)
    cohort = serializers.ChoiceField(choices=Cohort.choices, default=Cohort.TRAINING)
    priority = serializers.IntegerField(required=False, default=0, min_value=-32768, max_value=32767)
    wanted = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=WANTED_MAX)


class OpenSerializer(KnownFields):
    """On which prompts to open tasks of which kind, and for whom."""

    prompts = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=PROMPTS_MAX)
    kind = serializers.ChoiceField(choices=Task.Kind.choices)
    cohort = serializers.ChoiceField(choices=Cohort.choices, default=Cohort.TRAINING)
    priority = serializers.IntegerField(required=False, default=0, min_value=-32768, max_value=32767)
    wanted = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=WANTED_MAX)
    models = serializers.ListField(
        child=serializers.CharField(max_length=MODEL_MAX),
        required=False,
        default=list,
        help_text="Only answers of these models are judged; all when left out.",
    )


class OfferSerializer(KnownFields):
    """The user names of those who shall get the task."""

    labelers = serializers.ListField(child=serializers.CharField(max_length=150), allow_empty=False, max_length=50)


class OfferedSerializer(serializers.Serializer[Any]):
    """An offer, or what became of it."""

    id = serializers.UUIDField()
    labeler = serializers.CharField(source="labeler.username")
    state = serializers.ChoiceField(choices=Assignment.State.choices)


class TaskView(APIView):
    """One task."""

    @extend_schema(responses=TaskSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """For managers."""
        return Response(TaskSerializer(_managed(request, pk)).data)

    @extend_schema(request=TaskChangeSerializer, responses=TaskSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """Change its priority and the labels it wants, or withdraw it. Labels that come later are kept as extras."""
        _managed(request, pk)
        given = TaskChangeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            task = task_change(task_id=pk, **given.validated_data)
        return Response(TaskSerializer(task).data)


class OffersView(APIView):
    """To whom a task was offered."""

    @extend_schema(responses=OfferedSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """The task's assignments, offers included. For managers."""
        rows = _managed(request, pk).assignments.select_related("labeler").order_by("labeler__username")
        return Response(OfferedSerializer(rows, many=True).data)

    @extend_schema(request=OfferSerializer, responses={201: OfferedSerializer(many=True)})
    def post(self, request: Request, pk: int) -> Response:
        """Keep a slot for each of these people; they get the task first. All of them or none."""
        task = _managed(request, pk)
        given = OfferSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        names = set(given.validated_data["labelers"])
        people = {user.username: user for user in User.objects.filter(username__in=names, projects=task.project)}
        if missing := sorted(names - people.keys()):
            raise serializers.ValidationError({"labelers": f"The project has no member {missing[0]!r}."})
        with refusals_answered():
            offers = task_offer(task=task, labelers=list(people.values()))
        return Response(OfferedSerializer(offers, many=True).data, status=status.HTTP_201_CREATED)


@extend_schema(request=None, responses={204: None})
@api_view(["DELETE"])
def offer_view(request: Request, pk: UUID) -> Response:
    """Take an offer back that was not taken up yet. For managers."""
    offer = Assignment.objects.select_related("task__project").filter(pk=pk).first()
    if offer is None:
        raise Http404("No such offer.")
    project_get(user_of(request), offer.task.project.slug, MANAGING)
    with refusals_answered():
        offer_withdraw(assignment_id=pk)
    return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(request=AnswersSerializer, responses={201: TaskSerializer})
@api_view(["POST"])
def prompt_answers(request: Request, pk: UUID) -> Response:
    """Add answers to a prompt and open a task about them. For engineers and managers.

    Replies to a turn of a dialogue become a comparison that is offered to the labeler who wrote the turn.
    """
    prompt = object_get(user_of(request), Prompt, pk, TRAINING)
    given = AnswersSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    values = cast(dict[str, Any], dict(given.validated_data))
    answers = [Answer(**answer) for answer in values.pop("answers")]
    with refusals_answered():
        task = answers_add(prompt=prompt, answers=answers, **values)
    return Response(TaskSerializer(task).data, status=status.HTTP_201_CREATED)


@extend_schema(request=OpenSerializer, responses={201: TaskSerializer(many=True)})
@api_view(["POST"])
def tasks_view(request: Request, slug: str) -> Response:
    """Open tasks on prompts that are there, as for held-out labelers or to evaluate models. For managers."""
    project = project_get(user_of(request), slug, MANAGING)
    given = OpenSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    with refusals_answered():
        opened = tasks_open_on(project=project, **given.validated_data)
    return Response(TaskSerializer(opened, many=True).data, status=status.HTTP_201_CREATED)


def _managed(request: Request, pk: int) -> Task:
    task = Task.objects.select_related("project").filter(pk=pk).first()
    if task is None:
        raise Http404("No such task.")
    project_get(user_of(request), task.project.slug, MANAGING)
    return task
