"""The data API: for whom, what it answers, and that a real worker does what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from rest_framework.test import APIClient

from labeling.models import (
    CompletionBatch,
    Demonstration,
    Import,
    Instructions,
    ProjectSetup,
    Snapshot,
    Task,
)
from people.models import Project, Role
from tests.labeling.data_api import client_of, jsonl, make_prompt

pytestmark = pytest.mark.django_db


STRANGER = "stranger"
EVERYONE = {Role.LABELER: 200, Role.REVIEWER: 200, Role.ENGINEER: 200, Role.MANAGER: 200, STRANGER: 404}
FOLLOWERS = {Role.LABELER: 403, Role.REVIEWER: 200, Role.ENGINEER: 200, Role.MANAGER: 200, STRANGER: 404}
MANAGERS = {Role.LABELER: 403, Role.REVIEWER: 403, Role.ENGINEER: 403, Role.MANAGER: 200, STRANGER: 404}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("get", "projects/demo/setup/", None, EVERYONE),
        ("put", "projects/demo/setup/", {"overlap": 2}, MANAGERS),
        ("get", "projects/demo/instructions/", None, EVERYONE),
        ("post", "projects/demo/instructions/", {"text": "Be kind."}, {**MANAGERS, Role.MANAGER: 201}),
        ("get", "projects/demo/imports/", None, MANAGERS),
        ("get", "imports/{import}/", None, MANAGERS),
        ("get", "projects/demo/snapshots/", None, FOLLOWERS),
        ("post", "projects/demo/snapshots/", {}, {**MANAGERS, Role.MANAGER: 202}),
        ("get", "snapshots/{snapshot}/", None, FOLLOWERS),
        ("get", "projects/demo/completion-batches/", None, FOLLOWERS),
        ("get", "projects/demo/overview/", None, FOLLOWERS),
        ("get", "projects/demo/prompts/", None, FOLLOWERS),
        ("get", "prompts/{prompt}/", None, FOLLOWERS),
    ],
)
def test_who_may_do_what(project, method, path, body, expected):
    names = {
        "import": Import.objects.create(project=project, format="prompts", file_name="x", path="x").pk,
        "snapshot": Snapshot.objects.create(project=project).pk,
        "prompt": make_prompt(project).pk,
    }
    url = "/api/v1/" + path.format(**names)
    for role, status in expected.items():
        client = client_of(None if role == STRANGER else project, role)
        assert getattr(client, method)(url, body, format="json").status_code == status, role
    assert getattr(APIClient(), method)(url, body, format="json").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "projects/nothing/setup/",
        "imports/999999/",
        "snapshots/999999/",
        f"prompts/{'0' * 8}-0000-0000-0000-{'0' * 12}/",
    ],
)
def test_what_does_not_exist(manager, path):
    assert manager.get(f"/api/v1/{path}").status_code == 404


def test_setup_is_there_from_the_start_and_changed_in_part(project, manager):
    assert manager.get("/api/v1/projects/demo/setup/").json() == {
        "kinds": ["demonstration", "ranking", "comparison", "evaluation"],
        "answers_per_task": 4,
        "allow_ties": True,
        "strength_levels": 0,
        "open_demonstrations": True,
        "overlap": 1,
        "shared_percent": 100,
        "max_labels": 0,
        "agreement_floor": 60,
        "skills_by": "none",
        "priority": 0,
        "lease_minutes": 15,
        "open_cap": 3,
        "daily_cap": None,
        "edit_window_hours": 24,
        "split_by": "author",
        "valid_percent": 15,
        "test_percent": 0,
        "keep_originals": True,
    }
    answer = manager.put("/api/v1/projects/demo/setup/", {"overlap": 3, "valid_percent": 40}, format="json")
    assert (answer.status_code, answer.json()["overlap"], answer.json()["lease_minutes"]) == (200, 3, 15)
    assert ProjectSetup.objects.get(project=project).valid_percent == 40


@pytest.mark.parametrize(
    "body",
    [
        {"overlap": 0},
        {"overlap": 21},
        {"lease_minutes": 0},
        {"valid_percent": 60, "test_percent": 31},
        {"overlap": "x"},
    ],
)
def test_a_setup_out_of_range_changes_nothing(project, manager, body):
    assert manager.put("/api/v1/projects/demo/setup/", body, format="json").status_code == 400
    setup = ProjectSetup.objects.filter(project=project).first()
    assert setup is None or (setup.overlap, setup.valid_percent, setup.test_percent) == (1, 15, 0)


def test_splits_that_leave_no_training_say_so(manager):
    answer = manager.put("/api/v1/projects/demo/setup/", {"valid_percent": 60, "test_percent": 31}, format="json")
    assert answer.json() == {
        "detail": "Validation and test together may take at most 90 percent: the rest is for training."
    }


def test_instructions_are_numbered_and_never_changed(project, manager):
    url = "/api/v1/projects/demo/instructions/"
    assert manager.post(url, {"text": "Be kind."}, format="json").json()["version"] == 1
    assert manager.post(url, {"text": "Be kinder.", "change_note": "More."}, format="json").json()["version"] == 2
    assert manager.post(url, {"text": "Be kinder."}, format="json").json()["version"] == 2  # nothing new was said
    assert [(i["version"], i["text"]) for i in manager.get(url).json()["results"]] == [
        (2, "Be kinder."),
        (1, "Be kind."),
    ]
    assert manager.post(url, {"text": "  "}, format="json").status_code == 400
    assert Instructions.objects.count() == 2


def test_nothing_to_freeze(manager):
    answer = manager.post("/api/v1/projects/demo/snapshots/")
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "Demo has no prompts yet, so there is nothing to freeze; import some first.",
    )


def test_overview_counts(project, manager):
    first, second = make_prompt(project), make_prompt(project, "two", "valid")
    Demonstration.objects.create(prompt=first, text="x", provenance="human")
    Demonstration.objects.create(prompt=second, text="x", provenance="simulated")
    Demonstration.objects.create(prompt=second, text="y", provenance="simulated")
    for prompt, slots in ((first, 2), (second, 0)):
        Task.objects.create(project=project, prompt=prompt, kind="ranking", wanted=3, taken=3 - slots)
    make_prompt(Project.objects.create(slug="other", name="Other"))
    assert manager.get("/api/v1/projects/demo/overview/").json() == {
        "prompts": {"train": 1, "valid": 1, "test": 0},
        "out_of_use": 0,
        "demonstrations": {"human": 1, "simulated": 2},
        "rankings": {},
        "tasks_open": {"demonstration": 0, "ranking": 1, "comparison": 0, "evaluation": 0},
        "labels_wanted": {"demonstration": 0, "ranking": 2, "comparison": 0, "evaluation": 0},
    }


def test_completion_batches_are_a_list(project, manager):
    CompletionBatch.objects.create(digest="a" * 64, project=project, manifest={"meta": {}}, tasks_opened=3)
    (batch,) = manager.get("/api/v1/projects/demo/completion-batches/").json()
    assert (batch["digest"], batch["tasks_opened"], batch["error"], batch["manifest"]) == (
        "a" * 64,
        3,
        "",
        {"meta": {}},
    )


def test_the_documentation_knows_every_address():
    client = client_of(None, None)
    schema = client.get("/api/v1/schema/?format=json").json()
    for path in ("imports/", "snapshots/", "overview/", "prompts/", "completion-batches/", "setup/", "instructions/"):
        assert f"/api/v1/projects/{{slug}}/{path}" in schema["paths"]
    upload = schema["paths"]["/api/v1/projects/{slug}/imports/"]["post"]
    assert list(upload["requestBody"]["content"]) == ["multipart/form-data"]
    assert list(upload["responses"]) == ["202"]


@pytest.mark.django_db(transaction=True)
def test_from_upload_to_snapshot_through_a_real_worker(project, settings, tmp_path):
    from celery.contrib.testing.worker import start_worker

    from config.celery import app

    settings.ARTIFACTS_URL = str(tmp_path / "store")
    client = client_of(project, Role.MANAGER)
    with start_worker(app, perform_ping_check=False, pool="solo", queues=["default"], shutdown_timeout=30):
        posted = client.post(
            "/api/v1/projects/demo/imports/",
            {"file": jsonl({"prompt": "One?", "demonstration": "One."}, "Two?"), "format": "prompts"},
        )
        job = wait(client, f"/api/v1/imports/{posted.json()['id']}/")
        assert (job["state"], job["counts"]["prompts"], job["counts"]["tasks"]) == ("done", 2, 1)
        posted = client.post("/api/v1/projects/demo/snapshots/")
        snapshot = wait(client, f"/api/v1/snapshots/{posted.json()['id']}/")
    assert (snapshot["state"], sum(snapshot["counts"]["prompts"].values())) == ("done", 2)
    assert (Path(settings.ARTIFACTS_URL) / "snapshots" / snapshot["digest"] / "manifest.json").is_file()


def wait(client: APIClient, url: str) -> dict:
    import time

    for _ in range(300):
        body = client.get(url).json()
        if body["state"] in ("done", "failed"):
            return body
        time.sleep(0.1)
    raise AssertionError(f"{url} is still {body['state']}")
