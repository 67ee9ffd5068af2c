"""Pages of training in a real Chromium: a run seen live, started and stopped by hand, every page by axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, WIDE
from tests.training.conftest import (  # noqa: F401 - fixtures
    DIGEST,
    make_checkpoint,
    make_run,
    people,
    project,
    snapshot,
    store,
)
from training import tasks
from training.models import Metric, Run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MOMENT = "2026-01-02T12:00Z"


def report(run: Run, line: int, kind: str, step: int, **values: object) -> None:
    Metric.objects.create(run=run, line=line, type=kind, step=step, values=values, time=MOMENT)


@pytest.fixture
def running(make_run, make_checkpoint):  # noqa: F811
    """PPO in its second iteration."""
    policy, reward = make_checkpoint("Writer", number=1), make_checkpoint("Judge", kind="reward", number=2)
    run = make_run(name="Improvement", kind="ppo", state="running", policy=policy, reward=reward, started_at=MOMENT)
    progress = {"phase": "train", "done": 64, "total": 320, "phase_started_at": MOMENT, "progress_at": MOMENT}
    settings = {"episodes": 320, "rollout_batch": 32, "kl_beta": 0.1}
    Run.objects.filter(pk=run.pk).update(**progress, settings=settings, notes=["9 left out."], log_tail="line\n" * 60)
    report(run, 1, "eval", 0, reward=-0.2, kl=0.0, mean_length=40.0)
    report(run, 2, "metrics", 1, reward=0.1, kl=0.5, mean_length=41.0, episodes_per_second=1.4, seconds_sample=9.0)
    report(run, 3, "metrics", 2, reward=0.2, kl=0.7, mean_length=42.0, episodes_per_second=1.5, seconds_sample=8.0)
    report(run, 4, "sample", 2, prompt="Why is the sky blue?", completion="Because of **air**.", reward=0.4, kl=1.0)
    return run


def test_a_run_is_seen_live(open_page, people, running):  # noqa: F811
    page = open_page(f"/runs/{running.pk}/", people.engineer)
    expect(page.locator("h1")).to_have_text("Improvement")
    expect(page.get_by_text("train: 64 of 320 episodes")).to_be_visible()
    charts = page.locator("figure.chart")
    expect(charts).to_have_count(4)
    assert charts.first.locator("svg").get_attribute("aria-label").startswith("Reward. Training: 0.1 at step 1, 0.2")
    report(running, 5, "metrics", 3, reward=0.9, kl=0.8, mean_length=42.0, episodes_per_second=1.5)
    Run.objects.filter(pk=running.pk).update(done=96)
    expect(page.get_by_text("train: 96 of 320 episodes")).to_be_visible()
    assert "0.9 at step 3" in charts.first.locator("svg").get_attribute("aria-label")
    Run.objects.filter(pk=running.pk).update(state="succeeded", finished_at=MOMENT, summary={"reward_start": -0.2})
    expect(page.locator(".state")).to_have_text("Succeeded")
    expect(page.locator("[hx-trigger]")).to_have_count(0)


def test_a_run_is_started_and_stopped_by_hand(open_page, people, snapshot):  # noqa: F811
    page = open_page("/runs/", people.engineer)
    page.get_by_role("link", name="New run").click()
    page.get_by_role("link", name="Reward model", exact=True).click()
    page.get_by_label("Name").fill("By hand")
    page.get_by_label("Epochs").fill("0")
    page.get_by_label("Learning rate").fill("7")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_have_text(
        "Not started; it says why beside what cannot be used: Epochs, Learning rate."
    )
    page.get_by_role("link", name="Epochs").press("Enter")
    expect(page.get_by_text("Must be between 1 and 100, not 0.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("By hand")
    page.get_by_label("Epochs").fill("2")
    page.get_by_label("Learning rate").fill("1e-5")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("h1")).to_have_text("By hand")
    run = Run.objects.get()
    assert (run.kind, run.name, run.settings["epochs"]) == ("reward", "By hand", 2)
    page.get_by_role("link", name="Stop…").click()
    page.get_by_role("button", name="Stop By hand").click()
    expect(page.locator(".state")).to_have_text("Stopped")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_breaks_a_rule_or_scrolls_sideways(open_page, axe, people, make_run, running, size, dark):  # noqa: F811
    make_run(name="Broken", state="failed", error="The disk is full.", finished_at=MOMENT)
    answered = make_run(name="Answers", kind="sample", state="succeeded", sample_base=True, finished_at=MOMENT)
    answered.sampled.add(running.policy)
    for line, model in enumerate(("base", "Writer"), start=1):
        report(answered, line, "sample", 0, prompt="Hello?", completion="Hello.", model=model)
    page = open_page("/runs/", people.engineer, size=size, dark=dark)
    snapshot_page = f"/snapshots/{running.snapshot.digest}/"
    addresses = ["/runs/", f"/runs/{running.pk}/", f"/runs/{answered.pk}/", f"/runs/{running.pk}/stop/", snapshot_page]
    addresses += [f"/runs/new/?kind={kind}" for kind in ("sft", "dpo", "ppo", "sample")]
    for address in [*addresses, "/models/", f"/models/{DIGEST(1)}/", f"/models/{DIGEST(2)}/"]:
        page.goto(address)
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], address


def test_a_failed_run_goes_on_by_its_button(open_page, people, make_run, axe, monkeypatch):  # noqa: F811
    monkeypatch.setattr(tasks, "run_call", lambda run_id: None)
    run = make_run(name="Long SFT", state="failed", finished_at=MOMENT, started_at=MOMENT, saved_step=1200)
    Run.objects.filter(pk=run.pk).update(error="The checkpoint could not be written: disk full.", node="gpu-1")
    for step in range(1, 40):
        report(run, step, "metrics", step, loss=3 - step / 20, memory_gib=1.5, tokens_per_second=90.0,
               seconds_gradients=2.5, seconds_update=0.4)  # fmt: skip
    page = open_page(f"/runs/{run.pk}/", people.engineer)
    expect(page.get_by_role("alert")).to_contain_text("Its state after step 1,200 is kept on gpu-1.")
    expect(page.get_by_role("img", name="Memory held at most, GiB")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Go on from step 1,200").click()
    expect(page.locator(".state")).to_have_text("Queued")
    expect(page.get_by_text("to go on from step 1,200")).to_be_visible()
    assert axe(page) == []


def test_a_number_that_cannot_be_read_is_not_taken_for_the_presets(open_page, people, snapshot):  # noqa: F811
    page = open_page("/runs/new/?kind=reward", people.engineer)
    page.wait_for_load_state()
    rate = page.get_by_label("Learning rate")
    rate.fill("")
    rate.press_sequentially("5e-")
    page.get_by_role("button", name="Start").click()
    expect(rate).to_be_focused()
    assert not Run.objects.exists()
    rate.fill("5e-5")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/*/")
    assert Run.objects.get().settings["learning_rate"] == 5e-5


def test_a_run_is_checked_in_a_tab_of_its_own_and_started_from_the_same_form(open_page, people, snapshot, axe):  # noqa: F811
    page = open_page("/runs/new/?kind=reward", people.engineer)
    page.get_by_label("Name").fill("Mine")
    assert axe(page) == []
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Check first").click()
    check = popup.value
    expect(check.locator("h1")).to_have_text(f"Check {Run.objects.get(dry_run=True).pk}")
    expect(check.get_by_text("dry run of Reward model")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("h1")).to_have_text("Mine")
