"""The API's own description, with the scopes that each address asks of a token."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from people.api.scopes import NEEDS, listed
from people.models import Scope

ROOT = "api/v1/"


class ScopedSchema(AutoSchema):
    """Says below each description which scopes open the address."""

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular's own
        """The view's words and the scopes."""
        said = super().get_description() or ""
        scopes = self._scopes()
        if not scopes or scopes == frozenset(Scope):
            return said
        return f"{said}\n\nA token needs the scope {listed(scopes)}."

    def get_extensions(self) -> dict[str, Any]:
        """For programs, as `x-scopes`."""
        scopes = self._scopes()
        return {**super().get_extensions(), "x-scopes": [scope.value for scope in Scope if scope in scopes]}

    def _scopes(self) -> frozenset[Scope]:
        needs = NEEDS.get(names_by_path().get(self.path_regex.lstrip("/"), ""))
        return needs.of(self.method) if needs is not None else frozenset()


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its registry has no types
    """How OpenAPI documents a token."""

    target_class = "people.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """A header."""
        return build_bearer_security_scheme_object(header_name="Authorization", token_prefix="Token")  # noqa: S106


@cache
def names_by_path() -> dict[str, str]:
    """The name of each address of the API, by its pattern as in `api/v1/projects/<slug:slug>/`."""
    return {path: name for path, name in _walk(get_resolver().url_patterns, "") if path.startswith(ROOT)}


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield path, pattern.name or ""
        else:
            yield from _walk(pattern.url_patterns, path)
