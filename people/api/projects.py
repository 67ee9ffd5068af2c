"""Projects and their members."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.access import MANAGING, projects_for
from people.api.errors import refusals_answered
from people.api.serializers import MemberAnswer, MemberChange, MemberRequest, ProjectAnswer, ProjectRequest
from people.models import Membership, Project, Role, User
from people.permissions import project_get
from people.services.members import membership_create, membership_delete, membership_update
from people.services.projects import project_create


class ProjectsView(ListAPIView[Project]):
    """The projects of the signed-in person; POST makes one."""

    serializer_class = ProjectAnswer
    queryset = Project.objects.none()  # for the documentation; the real ones depend on who asks

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Every project in which the person holds a role, by name."""
        page = self.paginate_queryset(projects_for(cast(User, request.user), tuple(Role)))
        return self.get_paginated_response(ProjectAnswer(page, many=True).data)

    @extend_schema(request=ProjectRequest, responses={201: ProjectAnswer})
    def post(self, request: Request) -> Response:
        """Make a project and become its manager. For staff."""
        asked = ProjectRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        user = cast(User, request.user)
        if not (user.is_staff or user.is_superuser):
            self.permission_denied(request, "Only staff may make projects; ask an administrator.")
        with refusals_answered():
            project = project_create(**asked.validated_data, creator=user)
        return Response(ProjectAnswer(project).data, status=status.HTTP_201_CREATED)


class ProjectView(APIView):
    """One project."""

    @extend_schema(responses=ProjectAnswer)
    def get(self, request: Request, slug: str) -> Response:
        """The project, for its members."""
        return Response(ProjectAnswer(project_get(cast(User, request.user), slug, tuple(Role))).data)


class MembersView(ListAPIView[Membership]):
    """A project's members, for its managers; POST brings somebody in."""

    serializer_class = MemberAnswer
    queryset = Membership.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All members by user name."""
        project = project_get(cast(User, request.user), self.kwargs["slug"], MANAGING)
        page = self.paginate_queryset(project.memberships.select_related("user").order_by("user__username", "role"))
        return self.get_paginated_response(MemberAnswer(page, many=True).data)

    @extend_schema(request=MemberRequest, responses={201: MemberAnswer})
    def post(self, request: Request, slug: str) -> Response:
        """Give a user a role; with a password, make the user first."""
        project = project_get(cast(User, request.user), slug, MANAGING)
        asked = MemberRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals_answered():
            membership = membership_create(project=project, **asked.validated_data)
        return Response(MemberAnswer(membership).data, status=status.HTTP_201_CREATED)


class MemberView(APIView):
    """One role of one member, for the project's managers."""

    @extend_schema(request=MemberChange, responses=MemberAnswer)
    def patch(self, request: Request, slug: str, username: str, role: str) -> Response:
        """Change the cohort or the skills. Tasks handed out from now on follow it."""
        membership = self._membership(request, slug, username, role)
        asked = MemberChange(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals_answered():
            changed = membership_update(membership=membership, **asked.validated_data)
        return Response(MemberAnswer(changed).data)

    @extend_schema(responses={204: OpenApiResponse(description="The user holds the role no more; labels stay.")})
    def delete(self, request: Request, slug: str, username: str, role: str) -> Response:
        """Take the role from the user."""
        with refusals_answered():
            membership_delete(membership=self._membership(request, slug, username, role))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _membership(self, request: Request, slug: str, username: str, role: str) -> Membership:
        project = project_get(cast(User, request.user), slug, MANAGING)
        found = project.memberships.select_related("user").filter(user__username=username, role=role).first()
        if found is None:
            raise NotFound("The project has no such member.")
        return found
