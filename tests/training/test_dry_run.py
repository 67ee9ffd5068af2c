"""A dry run asked for by page, API or command: it goes through the queue as any run and leaves figures, no model."""

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.training.conftest import SCRIPTED
from training import tasks
from training.models import Checkpoint, Run
from training.selectors.summaries import headline
from training.services import execution
from training.services.runs import run_create, run_move

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def called(monkeypatch):
    ids = []
    monkeypatch.setattr(tasks, "run_call", ids.append)
    return ids


def test_it_leaves_figures_and_no_model(make_run, store):
    run = make_run(dry_run=True)
    assert execution.run_execute(run_id=run.pk, module=SCRIPTED)
    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", ""), run.log_tail
    assert run.summary == {"memory_gib": 1.5, "seconds_until_the_last": 7200}
    assert headline(run) == "would take about 2 h and 1.50 GiB"
    assert not Checkpoint.objects.exists()
    assert store.list("checkpoints") == []


def test_the_real_script_is_told_to_check(snapshot, store, settings):
    run, _ = run_create(
        project=snapshot.project, kind="sft", snapshot=snapshot.digest, requested_by=None, settings={"epochs": 50},
        dry_run=True,
    )  # fmt: skip
    assert execution.run_execute(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded", run.log_tail
    assert run.summary["steps"] == 50
    assert run.summary["seconds_a_step"] > 0
    assert "Training on 2 demonstrations" in run.log_tail
    assert sorted(path.name for path in (settings.RUNS_DIR / str(run.pk)).iterdir()) == [
        "config.json", "log.txt", "result.json",
    ]  # fmt: skip


def test_the_pages_button_checks_and_the_form_may_start_the_run_afterwards(client, people, snapshot, called):
    client.force_login(people.engineer)
    asked = {"snapshot": snapshot.digest, "name": "Mine", "key": "k1"}
    client.post("/runs/new/?project=demo&kind=sft", {**asked, "check": "1"})
    client.post("/runs/new/?project=demo&kind=sft", asked)
    check, run = Run.objects.order_by("pk")
    assert (check.dry_run, check.name) == (True, f"Check {check.pk}")
    assert (run.dry_run, run.name) == (False, "Mine")
    assert called == [check.pk, run.pk]
    assert b"dry run of SFT" in client.get(f"/runs/{check.pk}/").content
    assert b"dry run" not in client.get(f"/runs/{run.pk}/").content


def test_the_api_and_the_command_ask_for_it(people, snapshot, monkeypatch, capsys):
    api = APIClient()
    api.force_authenticate(people.engineer)
    asked = {"project": "demo", "kind": "sft", "snapshot": snapshot.digest, "dry_run": True}
    assert api.post("/api/v1/runs/", asked, "json").json()["dry_run"] is True

    def run_it(run_id):
        run_move(run_id=run_id, to="running")
        run_move(run_id=run_id, to="succeeded", summary={"steps": 12})

    monkeypatch.setattr(tasks, "run_call", run_it)
    call_command("run_start", "--project=demo", "--kind=sft", "--dry-run")
    assert "steps 12" in capsys.readouterr().out
    assert Run.objects.filter(dry_run=True).count() == 2
