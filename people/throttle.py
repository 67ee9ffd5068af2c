"""Guessing passwords is slow: attempts to sign in are counted by address, for pages and API together."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView


class SignInThrottle(SimpleRateThrottle):
    """Counts every attempt, before the password is looked at."""

    scope = "sign-in"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """One counter for each client address."""
        return f"sign-in-{self.get_ident(request)}"
