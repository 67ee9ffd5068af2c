"""A service's refusal as an answer: {"detail": sentence} with 400, or 409 when the state has moved on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rest_framework import status
from rest_framework.exceptions import APIException

from training.services.errors import Conflict, Refused


class RefusedRequest(APIException):
    """400 with the service's sentence."""

    status_code = status.HTTP_400_BAD_REQUEST


class ConflictingRequest(APIException):
    """409 with the service's sentence."""

    status_code = status.HTTP_409_CONFLICT


@contextmanager
def refusals_answered() -> Iterator[None]:
    """Turn `Refused` and `Conflict` raised inside into the API's answers."""
    try:
        yield
    except Conflict as refusal:
        raise ConflictingRequest(str(refusal)) from refusal
    except Refused as refusal:
        raise RefusedRequest(str(refusal)) from refusal
