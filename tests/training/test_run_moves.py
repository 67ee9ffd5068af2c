"""The table of moves: what it allows happens once, what it does not allow does not happen."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from people.refusals import Conflict
from training.models import Run
from training.services.runs import (
    WORKER_LOST,
    run_beat,
    run_cancel,
    run_claim,
    run_move,
    runs_end_lost,
    runs_to_call_again,
)

pytestmark = pytest.mark.django_db
STATES = [state.value for state in Run.State]
# Written out a second time, by hand, from what the states mean.
ALLOWED = {
    ("queued", "running"), ("queued", "cancelled"), ("running", "cancelling"), ("running", "succeeded"),
    ("running", "failed"), ("cancelling", "cancelled"), ("cancelling", "succeeded"), ("cancelling", "failed"),
    # Again: by itself when its worker leaves or is lost, by a person once it has ended.
    ("running", "queued"), ("failed", "queued"), ("cancelled", "queued"),
}  # fmt: skip


def in_state(make_run, state, **fields):
    ended = {"finished_at": timezone.now()} if state in Run.FINAL else {}
    return make_run(state=state, **ended, **fields)


@pytest.mark.parametrize("source", STATES)
@pytest.mark.parametrize("to", STATES)
def test_every_move(make_run, source, to):
    run = in_state(make_run, source)
    moved = run_move(run_id=run.pk, to=to)
    run.refresh_from_db()
    assert moved == ((source, to) in ALLOWED)
    assert run.state == (to if moved else source)
    assert (run.finished_at is not None) == run.is_final


def test_a_move_from_a_named_state_happens_from_no_other(make_run):
    run = in_state(make_run, "cancelling")
    assert not run_move(run_id=run.pk, to="cancelled", source="queued")
    assert run_move(run_id=run.pk, to="cancelled", source="cancelling")


def test_the_database_keeps_ends_and_times_together(make_run):
    run = make_run()
    for wrong in ({"state": "failed"}, {"finished_at": timezone.now()}, {"state": "lost"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Run.objects.filter(pk=run.pk).update(**wrong)


def test_a_run_is_claimed_once(make_run):
    run = make_run()
    claimed = run_claim(run_id=run.pk, node="gpu-1")
    assert (claimed.state, claimed.node) == ("running", "gpu-1")
    assert claimed.started_at is not None
    assert run_claim(run_id=run.pk, node="gpu-2") is None
    assert Run.objects.get(pk=run.pk).node == "gpu-1"


@pytest.mark.parametrize("state", ["cancelling", *Run.FINAL])
def test_what_is_not_queued_is_not_claimed(make_run, state):
    run = in_state(make_run, state)
    assert run_claim(run_id=run.pk, node="gpu-1") is None


def test_a_beat_tells_the_worker_where_its_run_stands(make_run):
    run = in_state(make_run, "running", attempt=2)
    assert run_beat(run_id=run.pk, attempt=2) == "running"
    assert run_beat(run_id=run.pk, attempt=1) is None  # another has it now
    run_cancel(run_id=run.pk)
    assert run_beat(run_id=run.pk, attempt=2) == "cancelling"
    run_move(run_id=run.pk, to="failed")
    assert run_beat(run_id=run.pk, attempt=2) is None


def test_cancelling_what_has_ended_says_so(make_run):
    run = in_state(make_run, "failed", name="Broken")
    with pytest.raises(Conflict, match=r"^Broken has ended already: failed\.$"):
        run_cancel(run_id=run.pk)


def test_runs_of_silent_workers_end(make_run):
    silent, lately = timezone.now() - timedelta(seconds=61), timezone.now() - timedelta(seconds=50)
    lost = in_state(make_run, "running", heartbeat_at=silent)
    stopping = in_state(make_run, "cancelling", heartbeat_at=silent)
    alive = in_state(make_run, "running", heartbeat_at=lately)
    waiting, over = make_run(), in_state(make_run, "succeeded", heartbeat_at=silent)
    assert runs_end_lost() == 2
    found = [Run.objects.get(pk=run.pk) for run in (lost, stopping, alive, waiting, over)]
    assert [run.state for run in found] == ["failed", "cancelled", "running", "queued", "succeeded"]
    assert found[0].error == WORKER_LOST
    assert runs_end_lost() == 0


def test_queued_runs_are_called_again_after_a_while_and_once_each(make_run):
    long_ago = timezone.now() - timedelta(seconds=61)
    forgotten = make_run(called_at=long_ago)
    make_run()  # called just now
    in_state(make_run, "running", called_at=long_ago)
    assert runs_to_call_again() == [forgotten.pk]
    assert runs_to_call_again() == []
