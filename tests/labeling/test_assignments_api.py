"""The workplace over HTTP: owner, colleague, stranger, engineer; each step and each refusal."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Assignment, Demonstration, Ranking
from labeling.services.assignments import leases_expire
from people.models import Membership, Role
from tests.labeling.work import (
    completion_ids,
    make_demonstration_task,
    make_instructions,
    make_labeler,
    make_project,
    make_prompt,
    make_ranking_task,
)

pytestmark = pytest.mark.django_db
NEXT = "/api/v1/projects/everyday/assignments/next/"


def signed_in(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return signed_in(make_labeler(project, "ada"))


@pytest.fixture
def bob(project):
    return signed_in(make_labeler(project, "bob"))


def at(assignment_id, step: str = "") -> str:
    return f"/api/v1/assignments/{assignment_id}/{step}"


def submit(client, assignment_id, body, key="key-1"):
    return client.post(at(assignment_id, "submit/"), body, format="json", headers={"Idempotency-Key": key})


def test_next_hands_out_a_ranking_in_the_drawn_order_without_model_names(project, ada):
    make_instructions(project, version=4)
    task = make_ranking_task(
        project, ("one", "two"), prompt=make_prompt(project, "Which of two?", category="Open question")
    )
    answer = ada.post(NEXT)
    assert answer.status_code == 201
    body = answer.json()
    assignment = Assignment.objects.get()
    texts = {str(c.pk): c.text for c in task.completions.all()}
    assert body["id"] == str(assignment.pk)
    assert (body["state"], body["instructions_version"], body["draft"]) == ("leased", 4, {})
    assert body["url"] == f"/label/a/{assignment.pk}/"
    assert body["task"] == {
        "id": task.pk,
        "kind": "ranking",
        "project": "everyday",
        "is_withdrawn": False,
        "prompt": {
            "id": str(task.prompt_id),
            "messages": [{"role": "user", "content": "Which of two?"}],
            "category": "Open question",
        },
        "completions": [{"id": i, "text": texts[i]} for i in assignment.shown_order],
    }
    assert "secret-model" not in json.dumps(body)
    assert ada.get(at(assignment.pk)).json()["task"] == body["task"]


def test_next_says_when_nothing_is_open(ada):
    answer = ada.post(NEXT)
    assert answer.status_code == 204
    assert answer.content == b""


def test_next_takes_the_kind_that_is_wanted(project, ada):
    make_ranking_task(project, priority=5)
    make_demonstration_task(project)
    assert ada.post(NEXT, {"kind": "demonstration"}, format="json").json()["task"]["kind"] == "demonstration"
    refused = ada.post(NEXT, {"kind": "essay"}, format="json")
    assert refused.status_code == 400
    assert refused.json() == {"kind": ['"essay" is not a valid choice.']}


def test_a_closed_project_says_so(project, ada):
    project.is_active = False
    project.save()
    answer = ada.post(NEXT)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "The project Everyday assistant is closed and hands out no tasks."}


def test_who_may_ask_for_work(project):
    make_demonstration_task(project)
    assert APIClient().post(NEXT).status_code == 401
    engineer = signed_in(make_labeler(project, "eve", role=Role.ENGINEER))
    assert engineer.post(NEXT).status_code == 403
    stranger = signed_in(make_labeler(make_project("other"), "sam"))
    assert stranger.post(NEXT).status_code == 404
    assert stranger.post("/api/v1/projects/nowhere/assignments/next/").status_code == 404
    assert Assignment.objects.count() == 0


def test_other_peoples_assignments_do_not_exist(project, ada, bob):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    manager = signed_in(make_labeler(project, "max", role=Role.MANAGER))
    for client in (bob, manager):
        assert client.get(at(pk)).status_code == 404
        assert client.put(at(pk, "draft/"), {"text": "x"}, format="json").status_code == 404
        assert client.post(at(pk, "heartbeat/")).status_code == 404
        assert client.post(at(pk, "resume/")).status_code == 404
        assert client.post(at(pk, "skip/"), {"reason": "x"}, format="json").status_code == 404
        assert submit(client, pk, {"text": "x"}).status_code == 404
    assert ada.get(at(uuid.uuid4())).status_code == 404
    assert Demonstration.objects.count() == 0


def test_a_withdrawn_labeler_is_told(project, ada):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    Membership.objects.filter(user__username="ada").delete()
    sentence = {"detail": "You do not label in the project Everyday assistant any more."}
    for answer in (ada.get(at(pk)), submit(ada, pk, {"text": "x"}), ada.post(at(pk, "heartbeat/"))):
        assert answer.status_code == 403
        assert answer.json() == sentence
    assert Demonstration.objects.count() == 0


def test_a_draft_is_kept_and_given_back(project, ada):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    answer = ada.put(at(pk, "draft/"), {"text": "half", "cursor": 4}, format="json")
    assert answer.status_code == 200
    assert answer.json()["state"] == "leased"
    assert answer.json()["draft_saved_at"] is not None
    assert ada.get(at(pk)).json()["draft"] == {"text": "half", "cursor": 4}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ([1, 2], 400, "A draft is a JSON object."),
        ({"text": "x" * 1_000_001}, 400, "more than the 1,000,000 that can be saved"),
        ({"text": "x" * 9_000_000}, 413, "The body is longer than 8,388,608 bytes."),
    ],
)
def test_what_is_no_draft_is_refused(project, ada, body, status, sentence):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    answer = ada.put(at(pk, "draft/"), body, format="json")
    assert answer.status_code == status
    assert sentence in answer.json()["detail"]
    assert Assignment.objects.get().draft == {}


def test_a_heartbeat_tells_where_the_lease_stands(project, ada, bob):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    first = Assignment.objects.get().lease_expires_at
    assert ada.post(at(pk, "heartbeat/")).json()["state"] == "leased"
    assert Assignment.objects.get().lease_expires_at > first
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    leases_expire()
    bob.post(NEXT)
    assert ada.post(at(pk, "heartbeat/")).json()["state"] == "expired"
    refused = ada.post(at(pk, "resume/"))
    assert refused.status_code == 409
    assert refused.json() == {"detail": "Others have taken this task meanwhile; your draft is kept."}


def test_skip_and_resume(project, ada):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    assert ada.post(at(pk, "skip/"), {}, format="json").status_code == 400
    assert ada.post(at(pk, "skip/"), {"reason": "not my field"}, format="json").json()["state"] == "skipped"
    assert ada.post(at(pk, "heartbeat/")).status_code == 409
    assert ada.post(at(pk, "resume/")).json()["state"] == "leased"


def test_a_ranking_is_submitted_once(project, ada):
    task = make_ranking_task(project, ("a", "b", "c"))
    a, b, c = completion_ids(task)
    pk = ada.post(NEXT).json()["id"]
    body = {"groups": [[c], [a, b]], "ratings": {c: 7, a: 2}, "note": "clear"}
    first = submit(ada, pk, body)
    assert first.status_code == 201
    ranking = Ranking.objects.get()
    assert first.json() == {
        "id": str(ranking.pk),
        "assignment": pk,
        "kind": "ranking",
        "provenance": "human",
        "is_extra": False,
        "created_at": first.json()["created_at"],
    }
    assert ranking.groups == [[c], [a, b]]
    again = submit(ada, pk, {"groups": [[a], [b], [c]]})
    assert again.status_code == 200
    assert again.json() == first.json()
    other = submit(ada, pk, body, key="key-2")
    assert other.status_code == 409
    assert other.json() == {
        "detail": "You have submitted this task already; a label is not changed by submitting again."
    }
    assert Ranking.objects.get().groups == [[c], [a, b]]


def test_a_demonstration_is_submitted_once(project, ada):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    first = submit(ada, pk, {"text": "An answer."})
    assert (first.status_code, first.json()["kind"]) == (201, "demonstration")
    assert submit(ada, pk, {"text": "An answer."}).status_code == 200
    assert Demonstration.objects.get().text == "An answer."


def test_a_simulated_labeler_gives_simulated_labels(project):
    robot = signed_in(make_labeler(project, "robot", is_simulated=True))
    make_demonstration_task(project)
    pk = robot.post(NEXT).json()["id"]
    assert submit(robot, pk, {"text": "Beep."}).json()["provenance"] == "simulated"


@pytest.mark.parametrize(
    ("body", "key", "sentence"),
    [
        ({"groups": []}, "k", "2 of 2 answers are not ranked yet; place every answer."),
        ({"groups": [["nobody"]]}, "k", "The ranking names 'nobody', which is no answer of this task."),
        ({"groups": []}, "", "A submit needs an idempotency key, so that repeating it is harmless."),
    ],
)
def test_a_broken_ranking_is_refused_with_a_sentence(project, ada, body, key, sentence):
    make_ranking_task(project, ("a", "b"))
    pk = ada.post(NEXT).json()["id"]
    answer = submit(ada, pk, body, key)
    assert answer.status_code == 400
    assert answer.json() == {"detail": sentence}


@pytest.mark.parametrize(
    "body",
    [{}, {"groups": "abc"}, {"groups": [["a"], 3]}, {"groups": [], "ratings": {"a": "high"}}, {"text": "x"}, []],
)
def test_a_ranking_of_the_wrong_shape_is_refused(project, ada, body):
    make_ranking_task(project, ("a", "b"))
    pk = ada.post(NEXT).json()["id"]
    assert submit(ada, pk, body).status_code == 400
    assert Ranking.objects.count() == 0


@pytest.mark.parametrize("text", ["", "   ", "nul \x00 here", None, "half \ud83d"])
def test_a_demonstration_that_cannot_be_kept_is_refused(project, ada, text):
    make_demonstration_task(project)
    pk = ada.post(NEXT).json()["id"]
    answer = ada.generic(
        "POST",
        at(pk, "submit/"),
        json.dumps({"text": text}),
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )
    assert answer.status_code == 400
    assert Demonstration.objects.count() == 0
    assert Assignment.objects.get().state == "leased"


def test_the_loop_of_a_labeler_takes_few_queries(project, ada, django_assert_max_num_queries):
    tasks = [make_ranking_task(project, tuple("abcdefghi")) for _ in range(3)]
    with django_assert_max_num_queries(13):
        pk = ada.post(NEXT).json()["id"]
    ids = completion_ids(next(t for t in tasks if t.assignments.exists()))
    with django_assert_max_num_queries(7):
        ada.put(at(pk, "draft/"), {"ranks": dict.fromkeys(ids, 1)}, format="json")
    with django_assert_max_num_queries(7):
        assert submit(ada, pk, {"groups": [ids], "ratings": dict.fromkeys(ids, 4)}).status_code == 201
