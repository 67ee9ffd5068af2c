"""Rating forms over HTTP and the service below: versions are added, never changed."""

import pytest
from rest_framework.test import APIClient

from labeling.forms import INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS
from labeling.models import RatingForm
from labeling.selectors.forms import form_of
from labeling.services.forms import rating_form_add
from people.models import Role
from people.refusals import Refused
from tests.labeling.work import make_labeler, make_project

pytestmark = pytest.mark.django_db

QUALITY = {"name": "overall", "label": "Quality", "type": "scale"}
WRONG = {"name": "wrong", "label": "Wrong", "type": "flag"}


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def manager(project):
    return client_of(make_labeler(project, "mia", role=Role.MANAGER))


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_a_project_without_a_form_asks_for_overall_quality(project, manager):
    answer = manager.get("/api/v1/projects/everyday/forms/0/").json()
    assert answer["version"] == 0
    assert [field["name"] for field in answer["fields"]] == ["overall"]
    assert answer["prompt_fields"] == []
    assert [field.required for field in form_of(project).fields] == [False]


def test_a_version_is_added_and_the_same_again_is_the_same_version(project, manager):
    url = "/api/v1/projects/everyday/forms/"
    asked = {"fields": [QUALITY], "prompt_fields": [WRONG], "change_note": "First."}
    first = manager.post(url, asked, format="json")
    assert first.status_code == 201
    assert first.json()["version"] == 1
    assert first.json()["fields"] == [
        {"name": "overall", "label": "Quality", "type": "scale", "min": 1, "max": 7, "help": "", "required": False}
    ]
    spelled_out = {**asked, "fields": [{**QUALITY, "min": 1, "max": 7, "help": " "}], "change_note": "Again."}
    again = manager.post(url, spelled_out, format="json")
    assert again.json() == first.json()
    second = manager.post(url, {"fields": [QUALITY, WRONG]}, format="json")
    assert second.json()["version"] == 2
    third = manager.post(url, asked, format="json")  # an older version again is a new one
    assert third.json()["version"] == 3
    assert [row["version"] for row in manager.get(url).json()["results"]] == [3, 2, 1]
    assert form_of(project).version == 3
    assert [field.name for field in form_of(project, 2).fields] == ["overall", "wrong"]
    assert manager.get(f"{url}2/").json()["fields"][1]["name"] == "wrong"
    assert manager.get(f"{url}9/").status_code == 404


def test_instructgpts_form_is_chosen_by_its_name(project, manager):
    answer = manager.post("/api/v1/projects/everyday/forms/", {"ready_made": "instructgpt"}, format="json")
    assert answer.status_code == 201
    form = form_of(project)
    assert form.fields == INSTRUCTGPT_FIELDS
    assert form.prompt_fields == INSTRUCTGPT_PROMPT_FLAGS


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"fields": [QUALITY, QUALITY]}, "About each answer: Two fields have the name 'overall'; each needs its own."),
        (
            {"fields": [{**QUALITY, "label": "a \u202e b"}]},
            "About each answer: The label and the options of the field",
        ),
        ({"fields": [QUALITY], "prompt_fields": "x"}, "About the prompt: A form is a list of fields."),
        ({}, "A form asks at least one thing."),
        ({"fields": [QUALITY], "change_note": "x" * 301}, "The note on what changed may have at most 300 characters."),
        ({"fields": [QUALITY], "change_note": 1}, "A text."),
        ({"ready_made": "nobody"}, "One of: instructgpt."),
        ({"ready_made": ["instructgpt"]}, "One of: instructgpt."),
        ({"ready_made": "instructgpt", "fields": []}, "Give either the name of a ready-made form or fields."),
        ([QUALITY], "A form is an object with fields, or with the name of a ready-made form."),
    ],
)
def test_a_form_that_breaks_the_rule_is_refused_and_nothing_is_added(manager, asked, sentence):
    answer = manager.post("/api/v1/projects/everyday/forms/", asked, format="json")
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert not RatingForm.objects.exists()


def test_a_form_from_before_the_rule_on_labels_is_read_as_it_is(project):
    RatingForm.objects.create(project=project, version=1, fields=[{**QUALITY, "label": "a \u202e b"}])
    assert form_of(project, 1).fields[0].label == "a \u202e b"


def test_what_cannot_be_stored_is_replaced(project):
    added = rating_form_add(project=project, fields=[{**QUALITY, "label": "a\x00b"}], change_note="c\x00d")
    assert added.fields[0]["label"] == "a\ufffdb"
    assert added.change_note == "c\ufffdd"


def test_members_read_the_form_and_managers_alone_add_to_it(project):
    labeler = client_of(make_labeler(project))
    assert labeler.get("/api/v1/projects/everyday/forms/").status_code == 200
    assert labeler.post("/api/v1/projects/everyday/forms/", {"fields": [QUALITY]}, format="json").status_code == 403
    stranger = client_of(make_labeler(make_project("other"), "eve"))
    assert stranger.get("/api/v1/projects/everyday/forms/").status_code == 404
    assert stranger.get("/api/v1/projects/everyday/forms/0/").status_code == 404


def test_reading_the_newest_form_is_one_query(project, django_assert_num_queries):
    rating_form_add(project=project, fields=[QUALITY])
    with django_assert_num_queries(1):
        form_of(project)
    with django_assert_num_queries(0):
        form_of(project, 0)


def test_a_form_of_nothing_is_refused(project):
    with pytest.raises(Refused, match="A form asks at least one thing"):
        rating_form_add(project=project, fields=[], prompt_fields=[])
