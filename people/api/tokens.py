"""Signing in and out of the API."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import OpenApiResponse, extend_schema
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework import status
from rest_framework.authentication import BaseAuthentication, BasicAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.api.serializers import Me, TokenAnswer
from people.models import User
from people.services.tokens import token_create, token_revoke
from people.throttle import SignInThrottle


class TokenView(APIView):
    """A token for a name and password (HTTP basic); DELETE with a token revokes that token."""

    throttle_classes = [SignInThrottle]

    def get_authenticators(self) -> list[BaseAuthentication]:
        """A password makes a token; a token revokes itself."""
        asked = self.request.method if self.request is not None else "POST"
        return [BasicAuthentication()] if asked == "POST" else [TokenAuthentication()]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Count the attempt before looking at the password: wrong ones are those that matter."""
        if request.method == "POST":
            self.check_throttles(request)
        self.throttle_classes = []
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="token_create",
        request=None,
        responses={201: TokenAnswer},
        auth=[{"basicAuth": []}],  # type: ignore[list-item]  # written as it is, and OpenAPI wants an object
    )
    def post(self, request: Request) -> Response:
        """Make a token."""
        answer = TokenAnswer(token_create(user=cast(User, request.user)))
        return Response(answer.data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="token_revoke", responses={204: OpenApiResponse(description="Revoked.")})
    def delete(self, request: Request) -> Response:
        """Revoke the token that this request carries."""
        if not isinstance(request.auth, AuthToken):
            raise ValidationError({"detail": "Only a token can be revoked."})
        token_revoke(token=request.auth)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(APIView):
    """Who the token belongs to, and what they may do."""

    @extend_schema(operation_id="me", responses=Me)
    def get(self, request: Request) -> Response:
        """The signed-in person."""
        user = cast(User, request.user)
        memberships = user.memberships.select_related("project")
        answer = {
            "username": user.username,
            "is_superuser": user.is_superuser,
            "is_simulated": user.is_simulated,
            "memberships": memberships,
        }
        return Response(Me(answer).data)
