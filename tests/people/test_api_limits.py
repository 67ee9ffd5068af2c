"""What the API reads and answers is bounded; its documentation is free of warnings."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from people.models import Project, User

pytestmark = pytest.mark.django_db
PROJECTS = "/api/v1/projects/"


@pytest.fixture
def root(client):
    client.force_login(User.objects.create_superuser("root"))
    return client


def post(client, body):
    return client.post(PROJECTS, body, content_type="application/json")


def test_a_body_of_any_size_is_not_read(root, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert post(root, json.dumps({"slug": "alpha"})).status_code == 201
    refused = post(root, json.dumps({"slug": "beta", "description": "x" * 100}))
    assert refused.status_code == 413
    assert refused.json() == {"detail": "The body is longer than 100 bytes."}
    assert Project.objects.count() == 1


def test_json_that_is_nested_beyond_reading_is_refused(root):
    refused = post(root, "[" * 100_000 + "]" * 100_000)
    assert refused.status_code == 400
    assert refused.json() == {"detail": "The JSON is nested too deeply."}


def test_a_number_of_thousands_of_digits_is_refused_in_words_of_ours(root):
    refused = post(root, '{"slug": ' + "9" * 5000 + "}")
    assert refused.status_code == 400
    assert refused.json() == {"detail": "A whole number of the JSON has more than 4,300 digits."}


def test_a_form_is_no_json(root):
    assert root.post(PROJECTS, "slug=a", content_type="application/x-www-form-urlencoded").status_code == 415


@pytest.mark.parametrize(("asked", "given"), [("", 50), ("?limit=7", 7), ("?limit=100000", 1000)])
def test_a_page_has_an_end(root, asked, given):
    Project.objects.bulk_create(Project(slug=f"p{n}", name=f"{n:04}") for n in range(1100))
    answer = root.get(PROJECTS + asked).json()
    assert answer["count"] == 1100
    assert len(answer["results"]) == given


def test_an_offset_beyond_everything_is_an_empty_page(root):
    answer = root.get(PROJECTS + "?offset=99999999999999999999")
    assert answer.status_code == 200
    assert answer.json()["results"] == []


@pytest.mark.parametrize("path", ["/runs/?project=%00", "/api/v1/runs/?kind=a%00b", "/?x=\x00"])
def test_a_nul_in_an_address_is_refused(root, path):
    assert root.get(path).status_code == 400


def test_the_documentation_of_the_api_has_no_warning():
    written = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=written)
    assert "AssignmentStateEnum" in written.getvalue()
