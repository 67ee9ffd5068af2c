"""For the tests of the data API; other files have projects of their own."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from people.models import Project, Role
from tests.labeling.data_api import client_of


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


@pytest.fixture
def manager(project: Project) -> APIClient:
    return client_of(project, Role.MANAGER)
