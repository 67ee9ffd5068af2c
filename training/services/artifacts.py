"""The artifact store that the settings name."""

from __future__ import annotations

from django.conf import settings

from exchange.store import Store


def store() -> Store:
    """The store at ARTIFACTS_URL, with this machine's cache."""
    return Store(settings.ARTIFACTS_URL, cache=settings.ARTIFACTS_CACHE)
