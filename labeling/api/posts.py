"""Questions and answers on tasks, announcements, and instructions that one has read, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.shown import own_assignment, user_of
from labeling.models import Announcement, Post, Task
from labeling.permissions import project_get
from labeling.selectors.progress import announcements_for
from labeling.selectors.talk import answers_unread, posts_for, questions_open, questions_settled
from labeling.services.announcements import announcement_add, announcement_end
from labeling.services.posts import answer_give, answers_mark_seen, question_ask, questions_settle
from people.access import MANAGING, REVIEWING, has_role
from people.api.errors import refusals_answered
from people.api.serializers import KnownFields
from people.models import Role, User


class PostSerializer(serializers.ModelSerializer[Post]):
    """A question or an answer. `asked_by` is the person whose question it belongs to, or is.

    With a `reader` in the context, the name of another labeler who asked is not said.
    """

    author = serializers.CharField(source="author.username", read_only=True)
    asked_by = serializers.SerializerMethodField(allow_null=True)

    class Meta:
        model = Post
        fields = ["id", "task", "author", "asked_by", "text", "to_all", "created_at", "settled_at", "seen_at"]
        read_only_fields = fields

    def get_asked_by(self, post: Post) -> str | None:
        """The user name, where the reader may know it."""
        reader = self.context.get("reader")
        if post.asked_by is None or (reader is not None and post.asked_by_id != reader.pk):
            return None
        return post.asked_by.username


class QuestionSerializer(KnownFields):
    """What is asked."""

    text = serializers.CharField(allow_blank=True)


class TeamAnswerSerializer(KnownFields):
    """An answer to the one who asked (`asked_by`, a user name), to all who label the task, or to both."""

    text = serializers.CharField(allow_blank=True)
    asked_by = serializers.CharField(required=False, default="", allow_blank=True)
    to_all = serializers.BooleanField(required=False, default=False)


class SettleSerializer(KnownFields):
    """Whose questions need no answer."""

    asked_by = serializers.CharField()


class SettledSerializer(serializers.Serializer[Any]):
    """How many questions were open."""

    settled = serializers.IntegerField()


class AnnouncementSerializer(KnownFields, serializers.ModelSerializer[Announcement]):
    """What is announced, in Markdown."""

    class Meta:
        model = Announcement
        fields = ["id", "text", "created_at", "ends_at"]
        read_only_fields = ["id", "created_at"]


class AssignmentPostsView(APIView):
    """Your thread on the task of an assignment."""

    @extend_schema(responses=PostSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """Your questions, the answers to them and what was said to all, oldest first. Marks answers as seen."""
        assignment = own_assignment(request, pk)
        shown = PostSerializer(
            posts_for(user_of(request), assignment.task), many=True, context={"reader": user_of(request)}
        ).data
        answers_mark_seen(task=assignment.task, labeler=user_of(request))
        return Response(shown)

    @extend_schema(request=QuestionSerializer, responses={201: PostSerializer, 200: PostSerializer})
    def post(self, request: Request, pk: UUID) -> Response:
        """Ask the reviewers and managers: 201, or 200 where these are your last words already."""
        assignment = own_assignment(request, pk)
        given = QuestionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            post, created = question_ask(assignment=assignment, labeler=user_of(request), **given.validated_data)
        return _added(post, created)


class UnreadAnswersView(APIView):
    """Answers to your questions that you have not seen yet."""

    @extend_schema(responses=PostSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The newest 50. They stay new until you ask for the posts on their task."""
        return Response(PostSerializer(answers_unread(user_of(request)), many=True).data)


class TaskPostsView(APIView):
    """All posts on a task, for reviewers and managers."""

    @extend_schema(responses=PostSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """Every thread's posts, oldest first."""
        posts = Post.objects.filter(task=_task(request, pk)).select_related("author", "asked_by")
        return Response(PostSerializer(posts, many=True).data)

    @extend_schema(request=TeamAnswerSerializer, responses={201: PostSerializer, 200: PostSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Answer; settles the open questions of the one who asked."""
        task = _task(request, pk)
        given = TeamAnswerSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        name = given.validated_data["asked_by"]
        with refusals_answered():
            post, created = answer_give(
                task=task,
                author=user_of(request),
                text=given.validated_data["text"],
                asker=_asker(task, name) if name else None,
                to_all=given.validated_data["to_all"],
            )
        return _added(post, created)


class TaskSettleView(APIView):
    """Questions on a task that need no answer."""

    @extend_schema(request=SettleSerializer, responses=SettledSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Settle the open questions of one person."""
        task = _task(request, pk)
        given = SettleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asker = _asker(task, given.validated_data["asked_by"])
        with refusals_answered():
            count = questions_settle(task=task, asker=asker, by=user_of(request))
        return Response({"settled": count})


class QuestionsView(ListAPIView[Post]):
    """A project's questions, for reviewers and managers."""

    serializer_class = PostSerializer
    queryset = Post.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Those that wait for an answer, oldest first; with `?settled=1` the others, newest first."""
        project = project_get(request.user, self.kwargs["slug"], REVIEWING)
        settled = request.query_params.get("settled") == "1"
        found = questions_settled(project) if settled else questions_open(project)
        page = self.paginate_queryset(found.select_related("asked_by"))
        return self.get_paginated_response(PostSerializer(page, many=True).data)


class AnnouncementsView(APIView):
    """What is announced in a project."""

    @extend_schema(responses=AnnouncementSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """What is shown now, newest first, for members."""
        project = project_get(request.user, slug, tuple(Role))
        return Response(AnnouncementSerializer(announcements_for([project]), many=True).data)

    @extend_schema(
        request=AnnouncementSerializer, responses={201: AnnouncementSerializer, 200: AnnouncementSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Announce: 201, or 200 where it is shown already."""
        project = project_get(request.user, slug, MANAGING)
        given = AnnouncementSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with refusals_answered():
            added, created = announcement_add(project=project, author=user_of(request), **given.validated_data)
        answer = AnnouncementSerializer(added).data
        return Response(answer, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)


class AnnouncementView(APIView):
    """One announcement."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Show it no longer."""
        announcement = Announcement.objects.select_related("project").filter(pk=pk).first()
        if announcement is None:
            raise NotFound("There is no such announcement.")
        project_get(request.user, announcement.project.slug, MANAGING)
        announcement_end(announcement=announcement, by=user_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _added(post: Post, created: bool) -> Response:
    return Response(PostSerializer(post).data, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)


def _task(request: Request, pk: int) -> Task:
    task = Task.objects.select_related("project").filter(pk=pk).first()
    if task is None or not has_role(request.user, task.project, tuple(Role)):
        raise NotFound("There is no such task.")
    project_get(request.user, task.project.slug, REVIEWING)
    return task


def _asker(task: Task, name: str) -> User:
    asked = Post.objects.filter(task=task, asked_by__username=name).select_related("asked_by").first()
    if asked is None or asked.asked_by is None:
        raise NotFound("This person has asked nothing on this task.")
    return asked.asked_by
