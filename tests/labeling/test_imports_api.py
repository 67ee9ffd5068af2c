"""Imports by the API: who may upload, what becomes of an upload, and what is said of a wrong one."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.models import Import
from people.models import Role
from tests.labeling.data_api import client_of, jsonl

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [Role.LABELER, Role.ENGINEER, "stranger"])
def test_only_managers_upload(project, role):
    client = client_of(None if role == "stranger" else project, role)
    answer = client.post("/api/v1/projects/demo/imports/", {"file": jsonl("a"), "format": "prompts"})
    assert answer.status_code == (404 if role == "stranger" else 403)
    assert not Import.objects.exists()


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
