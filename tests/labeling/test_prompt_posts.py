"""Prompts that come over the API some at a time: the rules of a file, all of them or none."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from labeling.models import Import, Prompt, Task
from labeling.services.jobs import prompts_lock
from people.models import Membership, Project, Role, User

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/demo/prompts/"


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def client_of(project: Project, role: str) -> APIClient:
    user = User.objects.create_user(f"user-{User.objects.count()}")
    Membership.objects.create(user=user, project=project, role=role)
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def manager(project) -> APIClient:
    return client_of(project, Role.MANAGER)


def test_prompts_are_added_with_their_fields(project, manager):
    given = {
        "id": 7,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "author": "ana",
        "organisation": "acme",
        "kind": "customer",
        "category": "open_qa",
        "language": "en",
    }
    answer = manager.post(URL, {"prompts": [given, "Plain text?"]}, format="json")
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["counts"]["prompts"], answer.json()["counts"]["tasks"]) == (
        "done",
        2,
        2,
    )
    prompt = Prompt.objects.get(external_id="7")
    assert (prompt.author, prompt.organisation, prompt.kind, prompt.category) == ("ana", "acme", "customer", "open_qa")
    assert prompt.imported_by == Import.objects.get()
    assert Task.objects.count() == 2
    again = manager.post(URL, {"prompts": [given, "Plain text?"]}, format="json").json()
    assert (again["counts"]["prompts"], again["counts"]["prompts_unchanged"]) == (0, 2)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"prompts": ["fine", {"text": 3}]}, "Prompt 2: 'text' must be text, not a number. Nothing was imported."),
        (
            {"prompts": [{"no": 1}], "on_error": "skip"},
            "No prompt could be imported; prompt 1: a prompt needs one of 'prompt', 'text', 'messages' and "
            "'few_shot': it has none of them.",
        ),
    ],
)
def test_a_bad_prompt_is_named_and_nothing_is_kept(project, manager, body, sentence):
    answer = manager.post(URL, body, format="json")
    assert (answer.status_code, answer.json()["detail"]) == (400, sentence)
    assert not Prompt.objects.exists()
    assert not Import.objects.exists()


def test_bad_ones_are_left_out_by_choice(project, manager):
    answer = manager.post(URL, {"prompts": ["fine", {"no": 1}], "on_error": "skip"}, format="json").json()
    assert (answer["counts"]["prompts"], answer["problem_count"], answer["problems"][0]["line"]) == (1, 1, 2)


@pytest.mark.parametrize("prompts", [[], ["x"] * 1001, "x", None])
def test_too_many_none_and_no_list_are_refused(project, manager, prompts):
    assert manager.post(URL, {"prompts": prompts}, format="json").status_code == 400
    assert not Prompt.objects.exists()


def test_a_thousand_go_in_with_the_queries_of_one(project, manager, django_assert_max_num_queries):
    with django_assert_max_num_queries(25):
        answer = manager.post(URL, {"prompts": [f"text {n}" for n in range(1000)]}, format="json")
    assert answer.json()["counts"]["prompts"] == 1000


@pytest.mark.parametrize(("role", "status"), [(Role.LABELER, 403), (Role.REVIEWER, 403), (Role.ENGINEER, 403)])
def test_only_managers_add_prompts(project, role, status):
    assert client_of(project, role).post(URL, {"prompts": ["x"]}, format="json").status_code == status


@pytest.mark.django_db(transaction=True)
def test_while_an_import_runs_they_have_to_wait(project, manager):
    held, done = threading.Event(), threading.Event()

    def importing() -> None:
        with transaction.atomic():
            prompts_lock(project=project, wait=True)
            held.set()
            done.wait(30)
        connection.close()

    thread = threading.Thread(target=importing)
    thread.start()
    held.wait(30)
    answer = manager.post(URL, {"prompts": ["x"]}, format="json")
    done.set()
    thread.join()
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "An import or a curation step of this project is under way; try again when it is done.",
    )
    assert manager.post(URL, {"prompts": ["x"]}, format="json").status_code == 201
