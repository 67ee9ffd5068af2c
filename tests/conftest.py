"""What holds for every test: passwords hashed by a quick rule, a static folder that is there, the longest first."""

import pytest
from django.conf import settings


def pytest_configure() -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that start the whole platform come first, so that no process waits for them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("loop") is None)
