"""A service's refusal as an answer: {"detail": sentence} with 400."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rest_framework import status
from rest_framework.exceptions import APIException

from people.services.errors import Refused


class RefusedRequest(APIException):
    """400 with the service's sentence."""

    status_code = status.HTTP_400_BAD_REQUEST


@contextmanager
def refusals_answered() -> Iterator[None]:
    """Turn `Refused` raised inside into the API's answer."""
    try:
        yield
    except Refused as refusal:
        raise RefusedRequest(str(refusal)) from refusal
