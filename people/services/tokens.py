"""API tokens. Only their hashes are kept: a token is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from people.models import AccessToken, Scope, User
from people.plain_text import is_plain
from people.refusals import Refused

LIVE_MAX = 20
NAME_MAX = 80
LIFETIME = cast(timedelta, settings.REST_KNOX["TOKEN_TTL"])


@dataclass(frozen=True)
class NewToken:
    """A token as its owner sees it, once. No expiry: it is good until it is revoked."""

    token: str
    expiry: datetime | None
    scopes: list[str]


def tokens_of(user: User) -> QuerySet[AccessToken]:
    """The user's tokens that still open something, newest first."""
    live = Q(expiry=None) | Q(expiry__gt=timezone.now())
    return cast(QuerySet[AccessToken], AccessToken.objects.filter(live, user=user).order_by("-created"))


@transaction.atomic
def token_create(
    *, user: User, scopes: Collection[str] | None = None, name: str = "", lifetime: timedelta | None = None
) -> NewToken:
    """A new token of the user, good for `lifetime` or as long as the settings say, with every scope unless told.

    Raises Refused for an unknown scope, none at all, a name or lifetime out of bounds, and for the 21st token.
    """
    asked = list(Scope.values) if scopes is None else list(scopes)
    if unknown := [scope for scope in asked if scope not in Scope.values]:
        raise Refused(f"There is no scope {unknown[0][:40]!r}; there are {', '.join(Scope.values)}.")
    if not asked:
        raise Refused("A token without a scope opens nothing: name at least one.")
    name = " ".join(name.split())
    if len(name) > NAME_MAX or not is_plain(name):
        raise Refused(f"The name of a token is at most {NAME_MAX} characters, none of them invisible.")
    lifetime = LIFETIME if lifetime is None else lifetime
    if not timedelta(0) < lifetime <= LIFETIME:
        raise Refused(f"A token is good for 1 to {LIFETIME.days} days.")
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # counted and added one after the other
    if tokens_of(user).count() >= LIVE_MAX:
        raise Refused(f"You have {LIVE_MAX} tokens, as many as one person may: revoke one at /account/tokens/ first.")
    chosen = [scope for scope in Scope.values if scope in asked]
    row, token = AccessToken.objects.create(user=user, expiry=lifetime, name=name, scopes=chosen)
    return NewToken(token=token, expiry=row.expiry, scopes=chosen)


def token_revoke(*, token: AccessToken) -> None:
    """The token opens nothing any more."""
    token.delete()


def token_used(*, token: AccessToken) -> None:
    """Note the day on which the token opened something: one UPDATE a day, none for a token used today already."""
    today = timezone.localdate()
    if token.used_on != today:
        AccessToken.objects.filter(pk=token.pk).update(used_on=today)


def tokens_delete_expired() -> int:
    """Delete the tokens that open nothing any more; return how many. One DELETE, whatever their number."""
    deleted, _ = AccessToken.objects.filter(expiry__lt=timezone.now()).delete()
    return int(deleted)
