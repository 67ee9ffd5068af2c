"""The `train` worker as it is: a real Celery process on a real broker, a real engine on the tiny model."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import psutil
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from training import launcher, tasks
from training.models import Run
from training.services import execution, sweeps
from training.services.runs import STALE_AFTER, run_create

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(store, settings, request):
    """A `train` worker with this pool, on this test's database and directories."""
    name = connection.settings_dict["NAME"]
    address = django_settings.DATABASE_URL.replace("/plumbline?", f"/{name}?")
    environment = {
        **os.environ,
        "DATABASE_URL": address,
        "ARTIFACTS_URL": settings.ARTIFACTS_URL,
    }
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", "train", "-c", "1", "-l", "WARNING"]
    process = subprocess.Popen([*command, "-P", request.param], env=environment, start_new_session=True)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(run, states, seconds=120):
    deadline = time.monotonic() + seconds
    while run.state not in states:
        assert time.monotonic() < deadline, f"{run} stayed {run.state}: {run.log_tail}"
        time.sleep(0.2)
        run.refresh_from_db()
    return run


def test_sft_of_the_tiny_model_ends_as_a_checkpoint(snapshot, store, settings):
    run, _ = run_create(project=snapshot.project, kind="sft", snapshot=snapshot.digest, requested_by=None)
    assert execution.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, ""), run.log_tail
    assert run.summary["train_demonstrations"] == 2
    assert [metric.step for metric in run.metrics.filter(type="metrics")] == [1]  # 2 demonstrations, 8 a step, 1 pass
    assert [metric.step for metric in run.metrics.filter(type="eval")] == [0, 1]
    assert run.notes[0].startswith("Training on 2 demonstrations")
    folder = store.fetch("checkpoints", run.checkpoint.digest)
    assert {"config.json", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    assert run.checkpoint.manifest["meta"]["snapshot"] == snapshot.digest
    assert run.checkpoint.manifest["meta"]["settings"] == run.settings


def test_dpo_of_the_tiny_model_ends_as_a_policy_that_another_run_starts_from(snapshot, store, settings):
    asked = {"project": snapshot.project, "snapshot": snapshot.digest, "requested_by": None}
    run, _ = run_create(kind="dpo", settings={"lora_rank": 2}, **asked)
    assert execution.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, ""), run.log_tail
    assert (run.summary["train_groups"], run.summary["train_pairs"], run.summary["valid_pairs"]) == (2, 4, 2)
    assert run.summary["kl"] >= 0
    assert run.checkpoint.kind == "policy"
    assert {"loss", "accuracy"} <= run.metrics.filter(type="metrics").first().values.keys()
    assert {"loss", "accuracy", "kl"} <= run.metrics.get(type="eval").values.keys()
    after, _ = run_create(kind="reward", policy=run.checkpoint.name, **asked)
    assert after.policy == run.checkpoint


@pytest.mark.parametrize("worker", ["solo", "prefork"], indirect=True)
def test_a_stopped_worker_saves_its_run_which_goes_on(snapshot, worker, settings):
    run, _ = run_create(
        project=snapshot.project, kind="sft", snapshot=snapshot.digest, requested_by=None, settings={"epochs": 1000}
    )
    tasks.run_call(run.pk)
    wait_until(run, [Run.State.RUNNING])
    while not run.metrics.filter(type="metrics").exists():
        time.sleep(0.1)
    children = _processes_of(run)
    assert len(children) >= 2  # torchrun and its rank
    os.killpg(worker.pid, signal.SIGTERM)  # as the supervisor does
    wait_until(run, [Run.State.QUEUED], seconds=30)
    worker.wait(timeout=30)
    assert not any(process.is_running() for process in children)
    saved = run.saved_step
    assert saved == run.metrics.filter(type="metrics").count()
    settings.RUNS_DIR = settings.VAR / "runs"  # that worker's: this process is the worker that comes back
    assert execution.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, ""), run.log_tail
    steps = [metric.step for metric in run.metrics.filter(type="metrics")]
    assert steps == list(range(1, 1001))
    assert f"Going on from the state saved after step {saved}." in run.notes
    assert run.summary["steps"] == 1000


@pytest.mark.parametrize("worker", ["solo"], indirect=True)
def test_a_run_whose_worker_is_killed_goes_on_from_its_last_state(snapshot, worker, settings):
    run, _ = run_create(
        project=snapshot.project, kind="sft", snapshot=snapshot.digest, requested_by=None,
        settings={"epochs": 400, "save_minutes": 0.001},
    )  # fmt: skip
    tasks.run_call(run.pk)
    wait_until(run, [Run.State.RUNNING])
    while run.saved_step is None:
        assert run.state == Run.State.RUNNING, run.log_tail
        time.sleep(0.1)
        run.refresh_from_db()
    children = _processes_of(run)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    settings.RUNS_DIR = settings.VAR / "runs"
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - STALE_AFTER - timedelta(seconds=1))
    sweeps.sweep()  # on that machine: it ends what the worker left, and puts the run back
    assert not any(process.is_running() for process in children)
    run.refresh_from_db()
    assert (run.state, run.restarts) == (Run.State.QUEUED, 1)
    assert execution.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, ""), run.log_tail
    assert [metric.step for metric in run.metrics.filter(type="metrics")] == list(range(1, 401))
    assert run.attempt == 2


def _processes_of(run):
    mark = f"/runs/{run.pk}"
    return [p for p in psutil.process_iter() if _environment(p).get(launcher.RUN_MARK, "").endswith(mark)]


def _environment(process):
    try:
        return process.environ()
    except psutil.Error:
        return {}
