"""A broker that is away costs a moment, not the page: the row is the queue, and the sweep delivers it later."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from kombu.exceptions import OperationalError

from labeling import tasks
from labeling.models import Import, Snapshot
from people.models import Project, User
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(monkeypatch) -> Client:
    project = Project.objects.create(slug="demo", name="Demo")
    assert run_import(project, b'"One?"\n').state == "done"
    for task in (tasks.import_run, tasks.snapshot_run):
        monkeypatch.setattr(task, "delay", lambda pk: (_ for _ in ()).throw(OperationalError("no broker")))
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def upload() -> dict[str, object]:
    return {"file": SimpleUploadedFile("x.jsonl", b'"Two?"\n'), "format": "prompts", "on_error": "abort"}


def test_a_file_is_queued(root):
    assert root.post("/data/demo/upload/", upload()).status_code == 302
    assert root.post("/api/v1/projects/demo/imports/", upload()).status_code == 202
    queued = Import.objects.filter(state="queued")
    assert queued.count() == 2
    assert all(Path(job.path).read_bytes() == b'"Two?"\n' for job in queued)


def test_a_snapshot_is_queued_from_the_page_the_api_and_the_admin(root):
    project = Project.objects.get()
    assert root.post("/data/demo/freeze/").status_code == 302
    assert root.post("/api/v1/projects/demo/snapshots/").status_code == 202
    assert root.post("/admin/labeling/snapshot/add/", {"project": project.pk}).status_code == 302
    assert Snapshot.objects.filter(state="queued").count() == 3
