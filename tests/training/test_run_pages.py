"""The pages of runs, models and snapshots, as a browser gets them: what they show, and to whom."""

import pytest
from django.urls import reverse

from tests.training.conftest import DIGEST
from training import tasks
from training.engine.config import describe
from training.models import Metric, Run
from training.services.runs import run_create

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(make_run, people):
    run = make_run(name="Trial", requested_by=people.engineer)
    Run.objects.filter(pk=run.pk).update(settings={"epochs": 3})
    return run


def metric(run, line, kind, step, **values):
    Metric.objects.create(run=run, line=line, type=kind, step=step, values=values, time="2026-01-02T00:00Z")


PAGES = [
    *("/runs/", "/runs/new/", "/runs/{run}/", "/runs/{run}/live/", "/runs/{run}/stop/", "/runs/{run}/log/"),
    *("/models/", "/models/{model}/", "/snapshots/{snapshot}/", "/snapshots/{snapshot}/files/prompts.jsonl"),
]
STARTS = ("/runs/new/", "/runs/{run}/stop/")


@pytest.fixture
def address(run, make_checkpoint, snapshot):
    names = {"run": run.pk, "model": make_checkpoint("Policy").digest, "snapshot": snapshot.digest}
    return lambda page: page.format(**names)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", ["engineer", "manager", "admin", "reviewer", "labeler", "stranger"])
def test_who_sees_which_page(client, people, address, page, who):
    client.force_login(getattr(people, who))
    expected = 200
    if who == "labeler" or (who == "reviewer" and page in STARTS):
        expected = 403
    if who == "stranger" and "{" in page:  # an engineer elsewhere: has pages, knows nothing of this project
        expected = 404
    assert client.get(address(page)).status_code == expected


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_signed_in_is_asked_to(client, address, page):
    answer = client.get(address(page))
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/login/")


def test_lists_show_only_what_one_follows(client, people, run, make_checkpoint):
    make_checkpoint("Policy of demo")
    client.force_login(people.stranger)
    assert b"Trial" not in client.get("/runs/").content
    assert b"Policy of demo" not in client.get("/models/").content
    client.force_login(people.engineer)
    assert b"Trial" in client.get("/runs/").content
    assert b"Policy of demo" in client.get("/models/").content


def test_the_runs_page_draws_what_was_reported(client, people, run):
    metric(run, 1, "eval", 0, loss=2.5)
    metric(run, 2, "metrics", 1, loss=2.0, tokens_per_second=120.0)
    metric(run, 3, "metrics", 2, loss=1.0, tokens_per_second=None)
    client.force_login(people.engineer)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert (
        'aria-label="Loss, nats a token. Training: 2 at step 1, 1 at step 2, between 1 and 2. '
        'Validation: 2.5 at step 0."' in page
    )
    assert "Tokens a second. Training: 120 at step 1." in page


def test_hostile_answers_stay_text(client, people, run):
    metric(run, 1, "sample", 1, prompt="<script>alert(1)</script>", completion="<img src=x onerror=alert(2)> **bold**")
    Run.objects.filter(pk=run.pk).update(log_tail="<script>alert(3)</script>", notes=["<script>alert(4)</script>"])
    client.force_login(people.engineer)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "<strong>bold</strong>" in page


def test_settings_that_differ_are_named_with_the_presets_value(client, people, run):
    client.force_login(people.engineer)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert '<dt>epochs</dt><dd><span class="warn">3</span> for 1</dd>' in page  # the cpu preset makes one pass


def test_a_live_page_polls_until_the_run_is_final(client, people, run):
    client.force_login(people.engineer)
    page = client.get(f"/runs/{run.pk}/live/")
    assert 'hx-trigger="every 2s"' in page.content.decode()
    seen = page.context["version"]
    assert client.get(f"/runs/{run.pk}/live/?seen={seen}").status_code == 204
    Run.objects.filter(pk=run.pk).update(state="failed", error="No.", finished_at="2026-01-02T00:00Z")
    page = client.get(f"/runs/{run.pk}/live/?seen={seen}")
    assert page.status_code == 200
    assert "hx-trigger" not in page.content.decode()
    assert "No." in page.content.decode()


def test_stopping_asks_first_and_then_stops(client, people, run):
    client.force_login(people.engineer)
    assert "Stop <bdi>Trial</bdi>?" in client.get(f"/runs/{run.pk}/stop/").content.decode()
    run.refresh_from_db()
    assert run.state == "queued"
    assert client.post(f"/runs/{run.pk}/stop/").status_code == 302
    run.refresh_from_db()
    assert run.state == "cancelled"
    answer = client.post(f"/runs/{run.pk}/stop/", follow=True)
    assert "Trial has ended already: stopped." in answer.content.decode()


def test_reviewers_may_look_but_not_stop(client, people, run):
    client.force_login(people.reviewer)
    assert reverse("run-stop", args=[run.pk]) not in client.get(f"/runs/{run.pk}/").content.decode()
    assert client.post(f"/runs/{run.pk}/stop/").status_code == 403
    run.refresh_from_db()
    assert run.state == "queued"


def test_the_form_starts_a_run_with_what_was_changed(client, people, snapshot):
    client.force_login(people.engineer)
    page = client.get("/runs/new/?kind=sft&preset=cpu")
    values = {field.html_name: field.value() or "" for field in [*page.context["form"]]}
    given = {"snapshot": snapshot.digest, "set-epochs": "2", "name": "By form"}
    answer = client.post("/runs/new/?kind=sft&preset=cpu", {**values, **given})
    run = Run.objects.get(name="By form")
    assert (answer.status_code, answer["Location"]) == (302, f"/runs/{run.pk}/")
    assert (run.kind, run.preset, run.snapshot, run.requested_by) == ("sft", "cpu", snapshot, people.engineer)
    assert run.settings["epochs"] == 2
    assert run.settings["batch_size"] == 8  # of the preset


def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(client, people, snapshot):
    client.force_login(people.engineer)
    values = {"snapshot": snapshot.digest, "policy": "", "set-epochs": "0", "set-learning_rate": "3e-5"}
    answer = client.post("/runs/new/?kind=sft&preset=cpu", {**values, "set-batch_size": "many"})
    assert answer.status_code == 422
    assert answer.context["form"].errors == {
        "set-epochs": ["Must be between 1 and 1,000, not 0."],
        "set-batch_size": ["Must be a whole number, not 'many'."],
    }
    assert "Must be between 1 and 1,000, not 0." in answer.content.decode()
    assert 'value="3e-5"' in answer.content.decode()
    assert not Run.objects.exists()


def test_ppos_form_as_it_comes_can_be_sent(client, people, snapshot, make_checkpoint):
    """The newest reward model is chosen: without one the setting "judged by the model" is refused."""
    policy, reward = make_checkpoint("Policy"), make_checkpoint("RM", kind="reward", number=2)
    client.force_login(people.engineer)
    page = client.get("/runs/new/?kind=ppo&preset=cpu")
    assert f'<option value="{reward.digest}" selected>' in page.content.decode()
    values = {field.html_name: field.value() or "" for field in [*page.context["form"]]}
    answer = client.post(
        "/runs/new/?kind=ppo&preset=cpu", {**values, "snapshot": snapshot.digest, "policy": policy.digest}
    )
    assert answer.status_code == 302
    assert Run.objects.get(kind="ppo").reward == reward


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo", "ppo", "sample"])
@pytest.mark.parametrize("preset", ["paper", "small", "cpu"])
def test_every_kind_has_a_form_with_every_setting(client, people, snapshot, kind, preset):
    client.force_login(people.engineer)
    page = client.get(f"/runs/new/?kind={kind}&preset={preset}")
    shown = {field.name.removeprefix("set-") for group in page.context["form"].groups() for field in group.fields}
    assert shown == {info.name for info in describe(kind)}
    assert "Other" not in [group.title for group in page.context["form"].groups()]


def test_a_models_page_tells_its_lineage_both_ways(client, people, make_checkpoint, snapshot):
    sft = make_checkpoint("First policy", number=1)
    reward = make_checkpoint("Judge", kind="reward", number=2, policy=sft)
    ppo, _ = run_create(
        project=snapshot.project, kind="ppo", snapshot=snapshot.digest, policy=sft.digest, reward=reward.digest,
        requested_by=None, name="Improvement",
    )  # fmt: skip
    client.force_login(people.engineer)
    page = client.get(f"/models/{DIGEST(2)}/").content.decode()
    assert f"/models/{DIGEST(1)}/" in page  # what it was made from
    assert f"/runs/{ppo.pk}/" in page  # what used it
    assert "AutoModelForSequenceClassification" in page
    assert f"/snapshots/{snapshot.digest}/" in page
    run_page = client.get(f"/runs/{ppo.pk}/").content.decode()
    strip = run_page[run_page.index('aria-label="Lineage"') :].partition("</nav>")[0]
    assert [name in strip for name in ("First policy", "Judge", "Improvement")] == [True] * 3


def test_a_snapshots_files_can_be_taken_and_no_others(client, people, snapshot, store):
    client.force_login(people.engineer)
    answer = client.get(f"/snapshots/{snapshot.digest}/files/demonstrations.jsonl")
    taken = b"".join(answer.streaming_content)
    assert taken == (store.fetch("snapshots", snapshot.digest) / "demonstrations.jsonl").read_bytes()
    assert answer["Content-Disposition"].startswith("attachment")
    for name in ("manifest.txt", "../../../secret_key", "..%2F..%2Fsecret_key"):
        assert client.get(f"/snapshots/{snapshot.digest}/files/{name}").status_code == 404


def test_the_whole_log_is_served_as_plain_text(client, people, run, settings):
    client.force_login(people.engineer)
    assert client.get(f"/runs/{run.pk}/log/").content == b"This run has written no log.\n"
    Run.objects.filter(pk=run.pk).update(log_tail="the end, from another machine\n")
    assert client.get(f"/runs/{run.pk}/log/").content == b"the end, from another machine\n"
    folder = settings.RUNS_DIR / str(run.pk)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("<b>all of it</b>")
    answer = client.get(f"/runs/{run.pk}/log/")
    assert b"".join(answer.streaming_content) == b"<b>all of it</b>"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


def test_the_form_sent_twice_starts_one_run_and_with_other_values_asks_again(client, people, snapshot, monkeypatch):
    monkeypatch.setattr(tasks, "run_call", lambda run_id: None)
    client.force_login(people.engineer)
    form = {"key": "k1", "snapshot": snapshot.digest, "name": ""}
    first, second = (client.post("/runs/new/?kind=sft", form) for _ in range(2))
    assert first["Location"] == second["Location"]
    changed = client.post("/runs/new/?kind=sft", {**form, "set-epochs": "2"})
    assert changed.status_code == 422
    assert "was started by this request before, with other values" in changed.content.decode()
    again = changed.context["form"].data["key"]
    assert client.post("/runs/new/?kind=sft", {**form, "set-epochs": "2", "key": again}).status_code == 302
    assert sorted(run.settings["epochs"] for run in Run.objects.all())[1] == 2
    assert Run.objects.count() == 2
