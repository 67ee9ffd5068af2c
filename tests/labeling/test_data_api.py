"""The data API: for whom, what it answers, and that a real worker does what was asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from rest_framework.test import APIClient

from labeling.models import (
    Completion,
    CompletionBatch,
    Demonstration,
    Import,
    Instructions,
    ProjectSetup,
    Prompt,
    Ranking,
    Snapshot,
    Task,
)
from people.models import Membership, Project, Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def client_of(project: Project | None, role: str | None) -> APIClient:
    user = User.objects.create_user(f"user-{role}-{User.objects.count()}")
    if project is not None and role is not None:
        Membership.objects.create(user=user, project=project, role=role)
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def manager(project) -> APIClient:
    return client_of(project, Role.MANAGER)


def make_prompt(project: Project, name: str = "one", split: str = "train") -> Prompt:
    return Prompt.objects.create(
        project=project,
        external_id=name,
        messages=[{"role": "user", "content": f"Question {name}?"}],
        author=f"author of {name}",
        split=split,
    )


def jsonl(*lines: object) -> SimpleUploadedFile:
    return SimpleUploadedFile("prompts.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())


STRANGER, UNAUTHENTICATED = "stranger", "nobody"
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


@pytest.mark.parametrize("role", [Role.LABELER, Role.ENGINEER, STRANGER])
def test_only_managers_upload(project, role):
    client = client_of(None if role == STRANGER else project, role)
    answer = client.post("/api/v1/projects/demo/imports/", {"file": jsonl("a"), "format": "prompts"})
    assert answer.status_code == (404 if role == STRANGER else 403)
    assert not Import.objects.exists()


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


def test_an_upload_is_queued(project, manager, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as callbacks:
        answer = manager.post(
            "/api/v1/projects/demo/imports/", {"file": jsonl("a"), "format": "prompts", "on_error": "skip"}
        )
    assert answer.status_code == 202
    assert len(callbacks) == 1
    job = Import.objects.get()
    body = answer.json()
    assert (body["id"], body["state"], body["project"], body["on_error"]) == (job.pk, "queued", "demo", "skip")
    assert manager.get(f"/api/v1/imports/{job.pk}/").json() == body
    assert [row["id"] for row in manager.get("/api/v1/projects/demo/imports/").json()["results"]] == [job.pk]
    assert "path" not in body  # where the server keeps it is nobody's business


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"file": SimpleUploadedFile("x.jsonl", b""), "format": "prompts"}, "The file is empty."),
        (
            {"file": SimpleUploadedFile("x.xlsx", b"PK\x03\x04..."), "format": "prompts"},
            "The file is a ZIP archive or an office document, not lines of text.",
        ),
    ],
)
def test_a_wrong_file_is_answered_with_one_sentence(manager, body, sentence):
    body["file"].seek(0)
    answer = manager.post("/api/v1/projects/demo/imports/", body)
    assert (answer.status_code, answer.json()) == (400, {"detail": sentence})
    assert not Import.objects.exists()


@pytest.mark.parametrize("body", [{}, {"format": "prompts"}, {"file": "not a file", "format": "prompts"}])
def test_an_upload_without_a_file(manager, body):
    answer = manager.post("/api/v1/projects/demo/imports/", body)
    assert answer.status_code == 400
    assert "file" in answer.json()


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


def test_prompts_are_searched(project, manager):
    make_prompt(project, "apple")
    make_prompt(project, "pear", "valid")
    url = "/api/v1/projects/demo/prompts/"

    def found(query: str) -> list[str]:
        return [prompt["external_id"] for prompt in manager.get(url + query).json()["results"]]

    assert found("") == ["apple", "pear"]
    assert found("?search=QUESTION%20apple") == ["apple"]
    assert found("?search=author%20of%20pear") == ["pear"]
    assert found("?split=valid") == ["pear"]
    assert found("?search=%25") == []
    assert found("?limit=1&offset=1") == ["pear"]


def test_a_search_reads_the_newest_prompts_alone(project, manager, monkeypatch):
    monkeypatch.setattr("labeling.selectors.prompts.SEARCHED", 20)
    Prompt.objects.bulk_create(
        Prompt(
            project=project,
            external_id=f"e{n}",
            author=f"a{n}",
            split="train",
            messages=[{"role": "user", "content": f"t{n}."}],
        )
        for n in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_prompt")

    def found(words: str) -> tuple[list[str], int]:
        """What is found, and how many rows of the table were read for it."""
        before = rows_read()
        answer = manager.get("/api/v1/projects/demo/prompts/", {"search": words}).json()
        return [prompt["external_id"] for prompt in answer["results"]], rows_read() - before

    newest = Prompt.objects.order_by("-created_at", "-pk")[:21]
    said = [prompt.messages[0]["content"] for prompt in newest]
    # Looked through twice, to count and to show.
    assert found(said[19])[0] == [newest[19].external_id]
    assert found(said[20])[0] == []
    assert found(said[0])[1] < 200
    ids, read = found("a7")
    assert ids == ["e7"]
    assert read < 20


def rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'labeling_prompt'"
        )
        return cursor.fetchone()[0]


def test_a_prompt_with_its_labels(project, manager):
    prompt = make_prompt(project)
    ana = User.objects.create_user("ana")
    one, two = (Completion.objects.create(prompt=prompt, external_id=t, text=t, model="m") for t in ("x", "y"))
    Demonstration.objects.create(prompt=prompt, text="An answer.", provenance="human", labeler=ana)
    Ranking.objects.create(prompt=prompt, groups=[[str(two.pk)], [str(one.pk)]], provenance="imported")
    body = manager.get(f"/api/v1/prompts/{prompt.pk}/").json()
    assert body["messages"] == [{"role": "user", "content": "Question one?"}]
    assert [(d["text"], d["labeler"]) for d in body["demonstrations"]] == [("An answer.", "ana")]
    assert [(r["groups"], r["labeler"]) for r in body["rankings"]] == [([[str(two.pk)], [str(one.pk)]], "")]
    assert {c["text"] for c in body["completions"]} == {"x", "y"}


def test_a_prompt_takes_the_same_questions_however_many_labels_it_has(project, manager, django_assert_max_num_queries):
    prompt = make_prompt(project)
    for number in range(20):
        labeler = User.objects.create_user(f"labeler-{number}")
        Demonstration.objects.create(prompt=prompt, text="An answer.", provenance="human", labeler=labeler)
        Ranking.objects.create(prompt=prompt, groups=[], provenance="human", labeler=labeler)
    with django_assert_max_num_queries(12):
        body = manager.get(f"/api/v1/prompts/{prompt.pk}/").json()
    assert len({d["labeler"] for d in body["demonstrations"]}) == 20


@pytest.mark.parametrize(
    ("role", "sees_names"), [(Role.ENGINEER, False), (Role.REVIEWER, True), (Role.MANAGER, True), ("superuser", True)]
)
def test_who_sees_the_names_of_people(project, settings, role, sees_names):
    settings.PSEUDONYM_KEY = "key"
    client = client_of(project, role) if role in Role.values else APIClient()
    if role == "superuser":
        client.force_authenticate(User.objects.create_superuser("root"))
    prompt = make_prompt(project)
    ana = User.objects.create_user("ana", pk=4711)
    Demonstration.objects.create(prompt=prompt, text="An answer.", provenance="human", labeler=ana)
    Demonstration.objects.create(prompt=prompt, text="Imported.", provenance="imported", source_labeler="zoe")
    Ranking.objects.create(prompt=prompt, groups=[], provenance="human", labeler=ana)
    answer = client.get(f"/api/v1/prompts/{prompt.pk}/")
    body = answer.json()
    (listed,) = client.get("/api/v1/projects/demo/prompts/").json()["results"]
    # By `openssl dgst -sha256 -hmac key` of "demo", a zero byte and the key of the person, 16 characters.
    labeler, author = ("ana", "author of one") if sees_names else ("04ed66c10b9ba3cf", "152d6f3d20bca5e8")
    assert [d["labeler"] for d in body["demonstrations"]] == [labeler, ""]
    assert [r["labeler"] for r in body["rankings"]] == [labeler]
    assert body["author"] == listed["author"] == author
    assert ("ana" in answer.content.decode()) == sees_names
    found = client.get("/api/v1/projects/demo/prompts/?search=author%20of%20one").json()["count"]
    assert found == (1 if sees_names else 0)  # else a search would tell who wrote it


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
