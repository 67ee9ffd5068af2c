"""Refusals as answers: {"detail": sentence}, with 400 for a service's, 404 and 403 where it finds nothing or may
not, 409 where the state has moved on, and 413 for a body that is too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, PermissionDenied
from rest_framework.response import Response
from rest_framework.views import exception_handler

from people.refusals import Conflict, Forbidden, Missing, Refused


class RefusedRequest(APIException):
    """400 with the service's sentence."""

    status_code = status.HTTP_400_BAD_REQUEST


class ConflictingRequest(APIException):
    """409 with the service's sentence."""

    status_code = status.HTTP_409_CONFLICT


class TooLarge(APIException):
    """413: the body is longer than the server reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE


def error_answered(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every error of the API as an answer; None for those that are ours."""
    if isinstance(error, RequestDataTooBig):
        error = TooLarge(f"The body is longer than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes.")
    return exception_handler(error, context)


def address_missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 for an address that nothing answers: of the API as its other errors, else as a page."""
    if request.path_info.startswith("/api/"):
        return JsonResponse({"detail": "There is no such address; /api/v1/docs/ lists what there is."}, status=404)
    return page_not_found(request, exception)


@contextmanager
def refusals_answered() -> Iterator[None]:
    """Turn `Refused` and its kinds raised inside into the API's answers."""
    try:
        yield
    except Missing as refusal:
        raise NotFound(str(refusal)) from refusal
    except Forbidden as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    except Conflict as refusal:
        raise ConflictingRequest(str(refusal)) from refusal
    except Refused as refusal:
        raise RefusedRequest(str(refusal)) from refusal
