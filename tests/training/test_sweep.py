"""What the sweep finds: published snapshots, runs to call again, processes whose worker was killed."""

import logging
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from exchange.completions import write_batch
from tests.training.conftest import write_small_snapshot
from tests.training.test_launcher import WORKER, configure, wait_for
from training import launcher, tasks
from training.models import PublishedSnapshot
from training.services.snapshots import snapshots_poll

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep(store, monkeypatch):
    """Sweep, and return the runs that workers were called for."""
    called = []
    monkeypatch.setattr(tasks.run_execute, "delay", called.append)

    def run():
        called.clear()
        tasks.sweep()
        return list(called)

    run.called = called
    return run


def test_a_snapshot_is_recorded_once_with_its_project(project, store, tmp_path):
    digest, directory = write_small_snapshot(tmp_path / "new")
    store.put("snapshots", directory)
    assert snapshots_poll() == 1
    assert snapshots_poll() == 0
    found = PublishedSnapshot.objects.get()
    assert (found.digest, found.project) == (digest, project)
    assert found.manifest["meta"]["counts"]["rankings"] == {"train": 2, "valid": 1}


def test_a_snapshot_of_an_unknown_project_is_left_alone_and_said_once(project, store, tmp_path, caplog):
    _, directory = write_small_snapshot(tmp_path / "new", project="nobody-knows")
    store.put("snapshots", directory)
    with caplog.at_level(logging.WARNING):
        assert [snapshots_poll(), snapshots_poll()] == [0, 0]
    assert [r.message for r in caplog.records if "nobody-knows" in r.message] == [
        f"Snapshot {directory.name[:12]} is of an unknown project 'nobody-knows', so it is left alone."
    ]


def test_an_unreadable_manifest_stops_nothing(project, store, tmp_path):
    digest, directory = write_small_snapshot(tmp_path / "new")
    store.put("snapshots", directory)
    broken = tmp_path / "artifacts" / "snapshots" / ("0" * 64)
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    _, batch = write_batch(tmp_path / "batch", [], meta={"project": "demo"})
    batch.rename(tmp_path / "artifacts" / "snapshots" / batch.name)  # an envelope, but no snapshot
    assert snapshots_poll() == 1
    assert PublishedSnapshot.objects.get().digest == digest


def test_the_sweep_calls_for_forgotten_runs(make_run, sweep):
    run = make_run(called_at=timezone.now() - timedelta(seconds=61))
    assert sweep() == [run.pk]
    assert sweep() == []


def test_a_store_that_is_away_does_not_keep_runs_waiting(make_run, sweep, settings):
    run = make_run(called_at=timezone.now() - timedelta(seconds=61))
    settings.ARTIFACTS_URL = "nosuch://store"
    with pytest.raises(ValueError, match="nosuch"):
        sweep()
    assert sweep.called == [run.pk]


def test_processes_of_a_killed_worker_are_gone_after_the_sweep(make_run, sweep, settings):
    run_dir = settings.RUNS_DIR / "1"
    run_dir.mkdir(parents=True)
    configure(run_dir, "wait")
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(run_dir)])
    wait_for((run_dir / "started").exists)
    sweep()
    assert launcher.marked(run_dir)  # its worker lives, so it is left alone
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    sweep()
    assert launcher.marked(run_dir) == []
