"""API tokens. Only their hashes are kept: a token is shown once, when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from knox.models import AuthToken

from people.models import User


@dataclass(frozen=True)
class NewToken:
    """A token as its owner sees it, once. No expiry: it is good until it is revoked."""

    token: str
    expiry: datetime | None


def token_create(*, user: User, lifetime: timedelta | None = None) -> NewToken:
    """A new token of the user, good for `lifetime` or for as long as the settings say."""
    row, token = AuthToken.objects.create(user=user, expiry=lifetime or settings.REST_KNOX["TOKEN_TTL"])
    return NewToken(token=token, expiry=row.expiry)


def token_revoke(*, token: AuthToken) -> None:
    """The token opens nothing any more."""
    token.delete()


def tokens_delete_expired() -> int:
    """Delete the tokens that open nothing any more; return how many. One DELETE, whatever their number."""
    deleted, _ = AuthToken.objects.filter(expiry__lt=timezone.now()).delete()
    return int(deleted)
