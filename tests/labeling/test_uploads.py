"""Uploaded files: gone when the import is done, kept a while when it failed, never kept for nobody."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.utils import timezone

from labeling import tasks
from labeling.models import Import
from labeling.services.uploads import uploads_sweep
from people.models import AccessToken, Project, User
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def uploads(settings, tmp_path) -> Path:
    settings.UPLOADS_DIR = tmp_path / "uploads"
    return settings.UPLOADS_DIR


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def files(uploads: Path) -> list[Path]:
    return [path for path in uploads.rglob("*") if path.is_file()]


def test_the_file_goes_with_the_end_of_its_import(project, uploads):
    assert run_import(project, ["One?"]).state == "done"
    assert files(uploads) == []


def test_the_file_of_a_failed_import_stays_a_week(project, uploads):
    job = run_import(project, [7])
    assert job.state == "failed"
    assert files(uploads) == [Path(job.path)]
    Import.objects.update(finished_at=timezone.now() - timedelta(days=6, hours=23))
    assert uploads_sweep() == 0
    Import.objects.update(finished_at=timezone.now() - timedelta(days=7, hours=1))
    assert uploads_sweep() == 1
    assert files(uploads) == []


@pytest.mark.parametrize(("state", "left"), [("queued", 1), ("running", 1), ("done", 0)])
def test_the_sweep_deletes_what_a_worker_did_not_come_to_delete(project, uploads, state, left):
    path = uploads / str(project.pk) / f"{uuid.uuid4()}.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    old = time.time() - 30 * 24 * 3600
    os.utime(path, (old, old))
    Import.objects.create(project=project, format="prompts", file_name="x", path=str(path), state=state)
    assert uploads_sweep() == 1 - left
    assert len(files(uploads)) == left


def test_files_of_nobody_go_after_a_day_and_those_that_are_not_ours_stay(uploads):
    folder = uploads / "3"
    folder.mkdir(parents=True)
    fresh, old, foreign = (folder / name for name in (f"{uuid.uuid4()}.csv", f"{uuid.uuid4()}", "notes.csv"))
    for path, hours in ((fresh, 23), (old, 25), (foreign, 1000)):
        path.touch()
        then = time.time() - hours * 3600
        os.utime(path, (then, then))
    assert uploads_sweep() == 1
    assert set(files(uploads)) == {fresh, foreign}


def test_the_sweep_asks_once_however_many_files_there_are(project, uploads, django_assert_num_queries):
    for number in range(5):
        run_import(project, [number])
    with django_assert_num_queries(1):
        assert uploads_sweep() == 0
    assert len(files(uploads)) == 5


def test_without_an_upload_folder_there_is_nothing_to_do(uploads):
    assert uploads_sweep() == 0


def test_the_sweep_deletes_expired_tokens_once_a_day(uploads, settings, tmp_path):
    settings.ARTIFACTS_URL = str(tmp_path / "artifacts")
    user = User.objects.create_user("ana")
    for hours in (-1, 1, None):
        AccessToken.objects.create(user=user, expiry=None if hours is None else timedelta(hours=hours))
    cache.delete("expired-tokens-deleted")
    try:
        tasks.sweep()
        assert sorted(token.expiry is None for token in AccessToken.objects.all()) == [False, True]
        assert not AccessToken.objects.filter(expiry__lt=timezone.now()).exists()
        AccessToken.objects.create(user=user, expiry=timedelta(hours=-1))
        tasks.sweep()
        assert AccessToken.objects.count() == 3  # not again on the same day
    finally:
        cache.delete("expired-tokens-deleted")
