"""Signing in and out of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import cast
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from people.api.authentication import TokenAuthentication
from people.api.errors import refusals_answered
from people.api.serializers import Me, TokenAnswer, TokenRequest, TokenRow
from people.models import AccessToken, User
from people.services.tokens import token_create, token_revoke, tokens_of
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
        request=TokenRequest,
        responses={201: TokenAnswer},
        auth=[{"basicAuth": []}],  # type: ignore[list-item]  # written as it is, and OpenAPI wants an object
    )
    def post(self, request: Request) -> Response:
        """Make a token: with the scopes that are asked for, or with every one. At most 20 of one person are alive."""
        asked = TokenRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        given = dict(asked.validated_data)
        days = given.pop("days", None)
        with refusals_answered():
            made = token_create(
                user=cast(User, request.user), lifetime=None if days is None else timedelta(days=days), **given
            )
        return Response(TokenAnswer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(operation_id="token_revoke", responses={204: OpenApiResponse(description="Revoked.")})
    def delete(self, request: Request) -> Response:
        """Revoke the token that this request carries."""
        if not isinstance(request.auth, AccessToken):
            raise ValidationError({"detail": "Only a token can be revoked."})
        token_revoke(token=request.auth)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WithPassword(APIView):
    """For the person, not for their programs: a session, or a name and password, whose attempts are counted."""

    authentication_classes = [BasicAuthentication, SessionAuthentication]
    throttle_classes = [SignInThrottle]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Count attempts with a password before looking at it."""
        if "HTTP_AUTHORIZATION" in request.META:
            self.check_throttles(request)
        self.throttle_classes = []
        super().initial(request, *args, **kwargs)


class TokensView(WithPassword, ListAPIView[AccessToken]):
    """Your tokens."""

    serializer_class = TokenRow
    queryset = AccessToken.objects.none()

    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Those that still open something, newest first. What a token says is shown once, when it is made."""
        page = self.paginate_queryset(tokens_of(cast(User, request.user)))
        return self.get_paginated_response(TokenRow(page, many=True).data)


class TokenDetailView(WithPassword):
    """One of your tokens."""

    @extend_schema(operation_id="tokens_revoke", responses={204: OpenApiResponse(description="Revoked.")})
    def delete(self, request: Request, handle: UUID) -> Response:
        """Revoke it: from now on it opens nothing."""
        token = tokens_of(cast(User, request.user)).filter(handle=handle).first()
        if token is None:
            raise NotFound("You have no such token.")
        token_revoke(token=token)
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
