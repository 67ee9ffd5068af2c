"""`manage.py run_start`: what it starts, waits for and refuses."""

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.training.conftest import write_small_snapshot
from training import tasks
from training.models import Run
from training.services.runs import run_claim, run_move

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def called(monkeypatch):
    ids = []
    monkeypatch.setattr(tasks, "run_call", ids.append)
    return ids


def test_it_starts_a_run_from_the_newest_snapshot(snapshot, people, called, capsys, store, tmp_path):
    digest, directory = write_small_snapshot(tmp_path / "newer", rankings=False)
    store.put("snapshots", directory)
    call_command("run_start", project="demo", kind="sft", set=["epochs=2", "seed = 7"], user="engineer")
    run = Run.objects.get()
    assert run.snapshot.digest == digest
    assert (run.settings["epochs"], run.settings["seed"], run.requested_by) == (2, 7, people.engineer)
    assert called == [run.pk]
    assert capsys.readouterr().out == f"SFT {run.pk} is queued: /runs/{run.pk}/\n"


def test_models_are_named(snapshot, make_checkpoint, called):
    make_checkpoint("Writer", number=1)
    make_checkpoint("Judge", kind="reward", number=2)
    call_command(
        "run_start", project="demo", kind="ppo", snapshot=snapshot.digest[:8], policy="Writer", reward="Judge"
    )
    run = Run.objects.get(kind="ppo")
    assert (run.policy.name, run.reward.name) == ("Writer", "Judge")
    call_command("run_start", "--project=demo", "--kind=sample", "--model=base", "--model=Writer")
    run = Run.objects.get(kind="sample")
    assert (run.sample_base, [model.name for model in run.sampled.all()]) == (True, ["Writer"])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"project": "nowhere"}, "There is no project 'nowhere'."),
        ({"user": "nobody"}, "There is no user 'nobody'."),
        ({"set": ["epochs"]}, "--set takes KEY=VALUE, not 'epochs'."),
        ({"set": ["epochs=many"]}, "epochs must be a whole number, not 'many'."),
        ({"kind": "ppo"}, "PPO needs a policy to start from."),
    ],
)
def test_a_refusal_is_the_commands_error(snapshot, called, given, sentence):
    with pytest.raises(CommandError) as refusal:
        call_command("run_start", **{"project": "demo", "kind": "sft", **given})
    assert str(refusal.value) == sentence
    assert not Run.objects.exists()
    assert called == []


def test_without_a_snapshot_there_is_nothing_to_start_from(project, store):
    with pytest.raises(CommandError, match=r"^SFT needs a snapshot\.$"):
        call_command("run_start", project="demo", kind="sft")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("state", "fields", "error"),
    [
        ("succeeded", {"summary": {"valid_loss_after": 1.5}, "notes": ["3 left out."]}, None),
        ("failed", {"error": "No room."}, "SFT {pk} failed. No room."),
    ],
)
def test_waiting_ends_with_the_run(snapshot, monkeypatch, capsys, state, fields, error):
    def work(run_id):
        run_claim(run_id=run_id, node="here")
        run_move(run_id=run_id, to=state, **fields)
        connection.close()

    monkeypatch.setattr(tasks, "run_call", lambda run_id: threading.Thread(target=work, args=[run_id]).start())
    if error is None:
        call_command("run_start", project="demo", kind="sft", wait=True)
        assert capsys.readouterr().out.splitlines()[1:] == ["3 left out.", "valid_loss_after 1.5"]
    else:
        with pytest.raises(CommandError) as refusal:
            call_command("run_start", project="demo", kind="sft", wait=True)
        assert str(refusal.value) == error.format(pk=Run.objects.get().pk)
