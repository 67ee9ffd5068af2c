"""A run from claim to end, with real torchrun processes: what succeeds is published, what fails says why."""

import os
import signal
import threading
import time

import pytest
from django.db import connection

from exchange.completions import read_batch
from tests.training.conftest import SCRIPTED, read_config
from training import launcher, tasks
from training.models import Checkpoint, Run
from training.run_directory import OUT_OF_MEMORY, UNEXPECTED
from training.services import execution, heartbeat
from training.services.runs import MOST_RESTARTS, run_cancel

AGAIN = "freezing the same labels again puts it back."
pytestmark = pytest.mark.django_db(transaction=True)


def execute(run, **given):
    assert execution.run_execute(run_id=run.pk, module=SCRIPTED, **given)
    run.refresh_from_db()
    return run


def test_success_publishes_the_checkpoint_and_records_what_was_reported(make_run, store, settings):
    run = execute(make_run(name="First"))
    assert (run.state, run.error) == (Run.State.SUCCEEDED, "")
    assert run.summary == {"valid_loss_after": 1.5}
    assert run.notes == ["Left out: 3 demonstrations over 512 tokens."]
    assert (run.phase, run.done, run.total) == ("train", 2, 2)
    assert [(m.type, m.step) for m in run.metrics.all()] == [("metrics", 1), ("metrics", 2), ("sample", 2)]
    assert [m.values["loss"] for m in run.metrics.filter(type="metrics")] == [2.0, 1.0]
    assert run.metrics.get(type="sample").values["completion"] == "a\ufffdb"  # PostgreSQL stores no NUL
    assert "rank 0 of run" in run.log_tail
    checkpoint = run.checkpoint
    assert (checkpoint.name, checkpoint.kind, checkpoint.project) == ("First", "policy", run.project)
    assert checkpoint.manifest["meta"]["name"] == "First"
    assert (store.fetch("checkpoints", checkpoint.digest) / "config.json").read_text() == "{}"
    assert not (settings.RUNS_DIR / str(run.pk) / "checkpoints").exists()  # one copy, in the store


def test_the_configuration_names_verified_inputs(make_run, snapshot, settings):
    run = execute(make_run())
    config = read_config(settings, run)
    assert config["kind"] == "sft"
    assert config["run"] == {"id": str(run.pk), "name": run.name, "project": "demo"}
    assert config["inputs"]["snapshot_digest"] == snapshot.digest
    assert config["inputs"]["snapshot"].endswith(f"/artifacts/snapshots/{snapshot.digest}")
    assert config["inputs"]["policy"] is None
    assert config["inputs"]["base_model"] == settings.BASE_MODEL
    assert config["settings"] == {"behaviour": "succeed"}


def test_a_sample_run_publishes_its_completions(make_run, store):
    run = execute(make_run(kind="sample", sample_base=True))
    assert run.state == Run.State.SUCCEEDED
    assert [c.text for c in read_batch(store.fetch("completions", run.completions_digest))] == ["Hello"]
    assert not Checkpoint.objects.exists()


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("person", "The snapshot holds no prompt of 16 tokens or fewer."),
        ("engineer", UNEXPECTED),
        ("silent", UNEXPECTED),  # exit code 0 without a result is no success
        ("memory", OUT_OF_MEMORY),
    ],
)
def test_a_failure_says_why_to_whom_can_mend_it(make_run, store, behaviour, sentence):
    run = execute(make_run(behaviour))
    assert (run.state, run.error) == (Run.State.FAILED, sentence)
    assert run.finished_at is not None
    assert store.list("checkpoints") == []


def test_a_missing_snapshot_fails_before_anything_is_launched(make_run, store, settings):
    run = make_run()
    os.remove(store.fetch("snapshots", run.snapshot.digest) / "rankings.jsonl")
    execute(run)
    assert run.state == Run.State.FAILED
    assert run.error == f"{run.snapshot.digest[:12]} lacks its file rankings.jsonl; {AGAIN}"
    assert not (settings.RUNS_DIR / str(run.pk)).exists()


def test_a_changed_snapshot_fails_and_names_the_file(make_run, store):
    run = make_run()
    with (store.fetch("snapshots", run.snapshot.digest) / "prompts.jsonl").open("a") as stream:
        stream.write("\n")
    execute(run)
    assert (
        run.error == f"The file prompts.jsonl of {run.snapshot.digest[:12]} was changed since it was written; {AGAIN}"
    )


def test_a_second_delivery_does_nothing(make_run):
    run = execute(make_run())
    first = (run.started_at, run.finished_at, run.metrics.count())
    assert execution.run_execute(run_id=run.pk, module=SCRIPTED) is False
    run.refresh_from_db()
    assert (run.started_at, run.finished_at, run.metrics.count()) == first


def test_two_workers_that_get_the_same_message_run_it_once(make_run):
    run = make_run()
    took = []

    def worker():
        took.append(execution.run_execute(run_id=run.pk, module=SCRIPTED))
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(took) == [False, True]
    assert Checkpoint.objects.filter(run=run).count() == 1


def test_cancelling_the_row_ends_the_processes(make_run, settings):
    run = make_run("wait")
    run_dir = settings.RUNS_DIR / str(run.pk)
    canceller = threading.Thread(target=_once_started, args=(run_dir, lambda: run_cancel(run_id=run.pk)))
    canceller.start()
    execute(run)
    canceller.join()
    assert (run.state, run.error) == (Run.State.CANCELLED, "")
    assert launcher.marked(run_dir) == []


def test_a_worker_that_is_told_to_leave_ends_its_run_first(make_run, settings):
    run = make_run("wait")
    run_dir = settings.RUNS_DIR / str(run.pk)
    leaving = threading.Event()
    threading.Thread(target=_once_started, args=(run_dir, leaving.set)).start()
    execute(run, leaving=leaving)
    assert (run.state, run.error) == (Run.State.QUEUED, "")
    assert launcher.marked(run_dir) == []


def test_sigterm_reaches_the_run_through_the_task(make_run, settings, monkeypatch):
    monkeypatch.setattr(tasks.worker_state, "should_stop", None)
    run = make_run("wait", restarts=MOST_RESTARTS)
    run_dir = settings.RUNS_DIR / str(run.pk)
    threading.Thread(target=_once_started, args=(run_dir, lambda: os.kill(os.getpid(), signal.SIGTERM))).start()
    with tasks._told_to_leave() as leaving:
        previous = signal.getsignal(signal.SIGTERM)
        execute(run, leaving=leaving)
    assert (run.state, run.error) == (Run.State.FAILED, execution.WORKER_STOPPED)  # it was queued again too often
    assert signal.getsignal(signal.SIGTERM) is not previous  # put back as it was
    assert tasks.worker_state.should_stop == 0  # and the worker stops after this task


def test_a_run_that_was_given_up_meanwhile_is_ended_and_left_as_it_is(make_run, settings):
    run = make_run("wait")
    run_dir = settings.RUNS_DIR / str(run.pk)

    def give_up():
        Run.objects.filter(pk=run.pk).update(state="failed", error="given up", finished_at="2026-01-01T00:00Z")

    threading.Thread(target=_once_started, args=(run_dir, give_up)).start()
    execute(run)
    assert (run.state, run.error) == (Run.State.FAILED, "given up")
    assert launcher.marked(run_dir) == []


@pytest.mark.parametrize(("kind", "store_kind"), [("sft", "checkpoints"), ("sample", "completions")])
@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_comes_after_a_run_was_given_up_is_not_published(
    make_run, store, settings, monkeypatch, kind, store_kind, state
):
    """The worker was silent so long that the run was given up, and hears of it only when the engine has ended."""
    monkeypatch.setattr(heartbeat, "BEAT", 3600.0)
    run = make_run("late", kind=kind, sample_base=kind == "sample")
    run_dir = settings.RUNS_DIR / str(run.pk)

    def give_up():
        Run.objects.filter(pk=run.pk).update(state=state, error="given up", finished_at="2026-01-01T00:00Z")
        (run_dir / "go").touch()

    giver = threading.Thread(target=_once_started, args=(run_dir, give_up))
    giver.start()
    execute(run)
    giver.join()
    assert (run.state, run.error, run.summary, run.completions_digest) == (state, "given up", {}, "")
    assert store.list(store_kind) == []  # labeling opens tasks for whatever answers it finds there
    assert not Checkpoint.objects.exists()


def test_a_database_that_drops_its_connections_costs_a_run_nothing(make_run, settings):
    run = make_run("wait")

    def drop_and_stop():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert len(cursor.fetchall()) >= 2  # the worker's own and its heartbeat's
        run_cancel(run_id=run.pk)

    threading.Thread(target=_once_started, args=(settings.RUNS_DIR / str(run.pk), drop_and_stop)).start()
    assert execution.run_execute(run_id=run.pk, module=SCRIPTED)
    run.refresh_from_db()
    assert (run.state, run.phase) == (Run.State.CANCELLED, "train")
    assert "rank 0 of run" in run.log_tail  # written after the connection was lost


def _once_started(run_dir, action):
    deadline = time.monotonic() + 60
    while not (run_dir / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    action()
    connection.close()
