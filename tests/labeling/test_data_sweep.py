"""The sweep makes up for lost messages and lost workers, and fetches what training published."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from celery.contrib.testing.worker import start_worker
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from config.celery import app
from exchange import completions as batches
from exchange import records
from labeling.models import CompletionBatch, Import, Prompt, Snapshot, Task
from labeling.services.imports import import_create
from labeling.tasks import artifact_store, sweep
from people.models import Project

pytestmark = pytest.mark.django_db(transaction=True)


def test_everything_that_was_missed_is_made_up_for(settings, tmp_path):
    settings.ARTIFACTS_URL = str(tmp_path / "store")
    project = Project.objects.create(slug="demo", name="Demo")
    prompt = Prompt.objects.create(
        project=project, external_id="p", messages=[{"role": "user", "content": "?"}], author="p", split="valid"
    )
    hour_ago = timezone.now() - timedelta(hours=1)
    upload = SimpleUploadedFile("x.jsonl", b'"One?"\n')
    import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    Import.objects.update(created_at=hour_ago)  # queued, but its message never came
    Snapshot.objects.create(project=project, state="running", started_at=hour_ago, attempts=1)
    Snapshot.objects.update(created_at=hour_ago)  # claimed by a worker that is gone
    answers = [
        records.Completion(id=text, prompt_id=str(prompt.pk), text=text, model="m") for text in ("one", "another")
    ]
    meta = {"project": "demo", "snapshot": "", "run": "1", "purpose": "ranking"}
    _, directory = batches.write_batch(tmp_path / "run", answers, meta=meta)
    artifact_store().put("completions", directory)

    with start_worker(app, perform_ping_check=False, pool="solo", queues=["default"], shutdown_timeout=30):
        sweep.delay()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not is_done():
            time.sleep(0.1)
    assert Import.objects.get().state == "done"
    assert Snapshot.objects.get().state == "done"
    assert Snapshot.objects.get().attempts == 2
    assert CompletionBatch.objects.get().tasks_opened == 1
    assert Task.objects.filter(kind="ranking").count() == 1


def is_done() -> bool:
    states = {*Import.objects.values_list("state", flat=True), *Snapshot.objects.values_list("state", flat=True)}
    return states == {"done"} and CompletionBatch.objects.exists()
