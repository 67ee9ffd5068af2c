"""What PostgreSQL cannot keep: replaced in what a person wrote, refused in what a program sends."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from labeling.models import Assignment, Demonstration, Instructions
from people.models import Project, User
from tests.labeling.imported import run_import
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Client:
    project = make_project()
    make_demonstration_task(project)
    client = Client()
    client.force_login(make_labeler(project, "ada"))
    client.post("/label/everyday/next/")
    return client


def test_a_reason_to_skip(ada):
    page = f"/label/a/{Assignment.objects.get().pk}/"
    assert ada.post(f"{page}skip/", {"reason": "not\x00mine"}).status_code == 302
    assert Assignment.objects.get().skip_reason == "not\ufffdmine"


def test_an_idempotency_key(ada):
    page = f"/label/a/{Assignment.objects.get().pk}/"
    refused = ada.post(page, {"key": "a\x00b", "text": "An answer."})
    assert refused.status_code == 400
    assert "The idempotency key has a character that cannot be printed." in refused.content.decode()
    assert not Demonstration.objects.exists()
    assert Assignment.objects.get().draft == {"text": "An answer."}


def test_a_bad_line_that_quotes_it_is_reported_and_the_others_come_in():
    project = Project.objects.create(slug="trees", name="Trees")
    bad = {"message_id": "q\x00", "role": "prompter" * 200_000, "text": "?"}
    good = {"message_id": "q", "role": "prompter", "text": "Why?"}
    good["replies"] = [{"message_id": "a", "role": "assistant", "text": "So."}]
    lines = [json.dumps({"message_tree_id": "t", "prompt": root}) for root in (bad, good)]
    job = run_import(project, "\n".join(lines).encode(), format="oasst", on_error="skip")
    assert (job.state, job.counts["prompts"]) == ("done", 1)
    (problem,) = job.problems
    assert problem["line"] == 1
    assert problem["reason"].startswith("the role of message q\ufffd must be prompter or assistant, not 'prompterp")
    assert len(problem["reason"]) == 300
    assert problem["reason"].endswith("…")


def test_instructions_that_are_too_long_for_the_service_are_the_forms_error():
    project = make_project()
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    given = {"project": project.pk, "text": "x" * 200_001, "change_note": ""}
    page = client.post("/admin/labeling/instructions/add/", given)
    assert page.status_code == 200
    assert "at most 200,000 characters" in page.content.decode()
    assert not Instructions.objects.exists()


def test_words_of_which_nothing_is_seen_are_the_admin_forms_error():
    project = make_project()
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    given = {"project": project.pk, "text": "\u200b\u3164", "change_note": ""}
    page = client.post("/admin/labeling/instructions/add/", given)
    assert (page.status_code, "Instructions must not be empty." in page.content.decode()) == (200, True)
    page = client.post("/admin/labeling/announcement/add/", given)
    assert (page.status_code, "The announcement is empty; write it first." in page.content.decode()) == (200, True)
    assert not Instructions.objects.exists()
