"""A run that ended too early goes on: asked for by a person, or by itself when its worker left or was lost."""

import threading
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from people.refusals import Conflict
from tests.training.conftest import SCRIPTED
from training import launcher, tasks
from training.models import Run
from training.run_directory import Line
from training.selectors.curves import time_spent
from training.services import execution, runs
from training.services.reports import RunReport
from training.services.runs import run_cancel, run_claim, run_restart, run_resume, runs_end_lost

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timedelta(seconds=61)


@pytest.fixture
def called(monkeypatch):
    """The runs that workers were called for."""
    ids = []
    monkeypatch.setattr(tasks, "run_call", ids.append)
    return ids


def ended(make_run, state="failed", **fields):
    return make_run(state=state, finished_at=timezone.now(), error="No room.", **fields)


def execute(run, **given):
    assert execution.run_execute(run_id=run.pk, module=SCRIPTED, **given)
    run.refresh_from_db()
    return run


def when_saved(run, settings, action):
    """Do it in another thread once the scripted engine has saved its state and made a step more."""

    def wait():
        deadline = time.monotonic() + 60
        while not (settings.RUNS_DIR / str(run.pk) / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        action()
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def reported(run):
    return [(row.line, row.step, row.values["loss"]) for row in run.metrics.filter(type="metrics")]


def test_a_stopped_run_goes_on_and_what_came_after_its_state_is_reported_anew(make_run, settings):
    run = make_run("saves")
    when_saved(run, settings, lambda: run_cancel(run_id=run.pk))
    execute(run)
    assert (run.state, run.saved_step, run.attempt) == ("cancelled", 2, 1)
    assert [step for _, step, _ in reported(run)] == [1, 2, 3]
    run_resume(run_id=run.pk)
    (settings.RUNS_DIR / str(run.pk) / "started").unlink()
    execute(run)
    assert (run.state, run.error, run.saved_step, run.attempt) == ("succeeded", "", None, 2), run.log_tail
    steps = [(step, loss) for _, step, loss in reported(run)]
    # Steps 1 and 2 as they were; 3 again and 4 as the second attempt made them, then what every scripted run says.
    assert steps == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0), (1, 2.0), (2, 1.0)]
    lines = (settings.RUNS_DIR / str(run.pk) / "metrics.jsonl").read_text().splitlines()
    assert [line for line, _, _ in reported(run)] == [n for n, line in enumerate(lines, 1) if '"metrics"' in line]
    assert run.notes == ["Read the data.", "Going on.", "Left out: 3 demonstrations over 512 tokens."]


def test_a_worker_that_leaves_queues_its_run_again_which_then_goes_on(make_run, settings):
    run = make_run("saves")
    leaving = threading.Event()
    when_saved(run, settings, leaving.set)
    execute(run, leaving=leaving)
    assert (run.state, run.error, run.saved_step, run.finished_at) == ("queued", "", 2, None)
    assert launcher.marked(settings.RUNS_DIR / str(run.pk)) == []
    execute(run)
    assert run.state == "succeeded", run.log_tail


def test_a_run_without_a_state_that_its_worker_leaves_begins_at_its_beginning(make_run, settings):
    run = make_run("wait")
    leaving = threading.Event()
    when_saved(run, settings, leaving.set)
    execute(run, leaving=leaving)
    assert (run.state, run.restarts) == ("queued", 1)
    Run.objects.filter(pk=run.pk).update(settings={"behaviour": "succeed"}, notes=["old"])
    run.metrics.create(line=99, type="metrics", step=99, values={"loss": 0.0}, time=timezone.now())
    execute(run)
    assert (run.state, run.notes) == ("succeeded", ["Left out: 3 demonstrations over 512 tokens."])
    assert [step for _, step, _ in reported(run)] == [1, 2]


def test_a_state_that_is_gone_is_said_and_not_begun_anew_silently(make_run, settings):
    run = ended(make_run, saved_step=7, node=execution.socket.gethostname())
    run_resume(run_id=run.pk)
    execute(run)
    assert (run.state, run.error, run.saved_step) == ("failed", execution.STATE_GONE, None)
    assert not run.can_go_on


def test_a_run_with_a_state_is_taken_only_where_the_state_is(make_run):
    run = make_run(saved_step=7, node="gpu-1")
    assert run_claim(run_id=run.pk, node="gpu-2") is None
    assert run_claim(run_id=run.pk, node="gpu-2", has_state=True) is not None  # a disk that both have
    other = make_run(saved_step=7, node="gpu-1")
    assert run_claim(run_id=other.pk, node="gpu-1") is not None


def test_a_run_is_queued_again_by_itself_three_times_and_anew_after_each_state(make_run):
    run = make_run()
    for restarts in (1, 2, 3):
        attempt = run_claim(run_id=run.pk, node="gpu-1").attempt
        assert run_restart(run_id=run.pk, attempt=attempt)
        run.refresh_from_db()
        assert (run.state, run.restarts, run.attempt) == ("queued", restarts, restarts)
    attempt = run_claim(run_id=run.pk, node="gpu-1").attempt
    assert not run_restart(run_id=run.pk, attempt=attempt)
    report = RunReport(run.pk, attempt)
    report.take([_line(1, {"type": "saved", "step": 12})])
    report.save("")
    assert run_restart(run_id=run.pk, attempt=attempt)
    run.refresh_from_db()
    assert (run.saved_step, run.restarts) == (12, 1)


def test_lost_runs_with_a_state_go_on_but_not_for_ever(make_run):
    silent = {"state": "running", "heartbeat_at": timezone.now() - LONG_AGO}
    saved = make_run(saved_step=3, **silent)
    often = make_run(saved_step=3, restarts=runs.MOST_RESTARTS, **silent)
    without = make_run(**silent)
    assert runs_end_lost() == 3
    found = [Run.objects.get(pk=run.pk) for run in (saved, often, without)]
    assert [(run.state, run.error) for run in found] == [
        ("queued", ""), ("failed", runs.WORKER_LOST_OFTEN), ("failed", runs.WORKER_LOST),
    ]  # fmt: skip
    assert [run.can_go_on for run in found] == [False, True, False]


def test_a_worker_that_lost_its_run_touches_nothing_of_the_next_ones(make_run):
    run = make_run()
    first = run_claim(run_id=run.pk, node="gpu-1")
    Run.objects.filter(pk=run.pk).update(saved_step=2, heartbeat_at=timezone.now() - LONG_AGO)
    runs_end_lost()
    second = run_claim(run_id=run.pk, node="gpu-1")
    late = RunReport(run.pk, first.attempt)
    late.take([_line(1, {"type": "metrics", "step": 1, "values": {"loss": 1.0}})])
    late.save("late")
    execution._finish(first, execution.Ending(Run.State.FAILED, "late"))
    run.refresh_from_db()
    assert (run.state, run.attempt, run.error, run.log_tail) == ("running", second.attempt, "", "")
    assert not run.metrics.exists()


@pytest.mark.parametrize(
    ("state", "fields", "sentence"),
    [
        ("failed", {}, "Broken cannot go on: it left no saved state. Start a new run instead."),
        ("succeeded", {}, "Broken cannot go on: it is succeeded."),
        ("running", {"saved_step": 3}, "Broken cannot go on: it is running."),
    ],
)
def test_what_cannot_go_on_says_why(make_run, state, fields, sentence):
    final = {"finished_at": timezone.now()} if state in Run.FINAL else {}
    run = make_run(name="Broken", state=state, **final, **fields)
    with pytest.raises(Conflict) as refusal:
        run_resume(run_id=run.pk)
    assert str(refusal.value) == sentence


def test_the_page_offers_it_to_who_may_and_the_button_queues_the_run(client, people, make_run, called):
    run = ended(make_run, name="Broken", saved_step=1200, node="gpu-1")
    client.force_login(people.reviewer)
    assert b"Go on from step" not in client.get(f"/runs/{run.pk}/").content
    assert client.post(f"/runs/{run.pk}/resume/").status_code == 403
    client.force_login(people.engineer)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "Go on from step 1,200" in page
    assert "Its state after step 1,200 is kept on gpu-1." in page
    assert client.get(f"/runs/{run.pk}/resume/").status_code == 405
    answer = client.post(f"/runs/{run.pk}/resume/", follow=True).content.decode()
    assert "Broken goes on as soon as a training worker is free." in answer
    assert "to go on from step 1,200" in answer
    assert called == [run.pk]
    answer = client.post(f"/runs/{run.pk}/resume/", follow=True).content.decode()
    assert "Broken cannot go on: it is queued." in answer
    assert called == [run.pk]


def test_the_api_tells_and_does_it(people, make_run, called):
    run = ended(make_run, "cancelled", name="Broken", saved_step=7)
    api = APIClient()
    api.force_authenticate(people.engineer)
    told = api.get(f"/api/v1/runs/{run.pk}/").json()
    assert (told["can_go_on"], told["saved_step"]) == (True, 7)
    assert api.post(f"/api/v1/runs/{run.pk}/resume/").json()["state"] == "queued"
    answer = api.post(f"/api/v1/runs/{run.pk}/resume/")
    assert answer.status_code == 409
    assert called == [run.pk]


def test_the_command_does_it_or_says_why_not(make_run, called):
    run, out = ended(make_run, name="Broken", saved_step=7), StringIO()
    call_command("run_resume", str(run.pk), stdout=out)
    assert out.getvalue() == f"Broken goes on from step 7: /runs/{run.pk}/\n"
    assert called == [run.pk]
    for number, sentence in ((run.pk, "it is queued"), (10**6, "There is no run 1000000")):
        with pytest.raises(CommandError, match=sentence):
            call_command("run_resume", str(number))


def _line(number, values):

    return Line(number, {"t": time.time(), **values})


def test_what_the_machine_needed_is_kept_with_a_steps_figures(make_run):
    run = make_run(state="running", attempt=1)
    report = RunReport(run.pk, 1)
    report.take([
        _line(1, {"type": "metrics", "step": 1, "values": {"loss": 1.0}, "machine": {"seconds_update": 0.5}}),
        _line(2, {"type": "metrics", "step": 2, "values": {"loss": 0.5}, "machine": "odd"}),
    ])  # fmt: skip
    report.save("")
    assert [row.values for row in run.metrics.all()] == [{"loss": 1.0, "seconds_update": 0.5}, {"loss": 0.5}]
    assert time_spent(run) == [("Update", 0.5)]
