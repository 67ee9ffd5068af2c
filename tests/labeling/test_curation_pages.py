"""The curation page and its API: what a manager sees and does there, and that nobody else does."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import CurationStep, Import, Prompt
from labeling.services.curation import curation_create, curation_execute
from labeling.services.jobs import jobs_requeue
from labeling.services.underway import Reporter
from people.models import Membership, Project, Role, User
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = Project.objects.create(slug="demo", name="Demo")
    run_import(project, [{"id": name, "prompt": text} for name, text in (("a", "One"), ("b", "one"), ("c", "<b>2"))])
    return project


def member(project: Project, role: str) -> User:
    user = User.objects.create_user(f"user-{User.objects.count()}")
    Membership.objects.create(user=user, project=project, role=role)
    return user


@pytest.fixture
def manager(project) -> Client:
    client = Client()
    client.force_login(member(project, Role.MANAGER))
    return client


@pytest.fixture
def api(project) -> APIClient:
    client = APIClient()
    client.force_authenticate(member(project, Role.MANAGER))
    return client


def run(project: Project, rule: str, **options) -> CurationStep:
    step = curation_create(project=project, rule=rule, options=options, user=None)
    assert curation_execute(step_id=step.pk)
    step.refresh_from_db()
    return step


def test_a_step_is_asked_for_followed_and_undone(project, manager, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as called:
        answer = manager.post(
            "/data/demo/curation/run/", {"rule": "length", "min_words": "2", "max_words": "9"} | LIMITS
        )
    assert (answer.status_code, answer["Location"], len(called)) == (302, "/data/demo/curation/", 1)
    step = CurationStep.objects.get()
    assert step.options == {"min_words": 2, "max_words": 9, "min_characters": 0, "max_characters": 0}
    live = manager.get("/data/demo/curation/live/").content.decode()
    assert "Waits for a worker" in live
    assert "hx-trigger" in live  # asks for itself again while the step waits
    assert curation_execute(step_id=step.pk)
    live = manager.get("/data/demo/curation/live/").content.decode()
    assert "3 dropped of 3" in live
    assert "hx-trigger" not in live
    with django_capture_on_commit_callbacks() as called:
        assert manager.post(f"/data/demo/curation/{step.pk}/undo/").status_code == 302
    assert len(called) == 1
    assert curation_execute(step_id=step.pk)
    assert "3 prompts came back as they were." in manager.get("/data/demo/curation/").content.decode()
    assert Prompt.objects.filter(dropped_by=None).count() == 3


LIMITS = {"min_characters": "0", "max_characters": "0"}


def test_several_choices_are_read_and_none_is_refused(manager):
    manager.post("/data/demo/curation/run/", {"rule": "pii", "kinds": ["EMAIL", "CARD"], "regions": "us, de"})
    assert CurationStep.objects.get().options == {"kinds": ["EMAIL", "CARD"], "regions": ["DE", "US"]}
    page = manager.post("/data/demo/curation/run/", {"rule": "pii", "regions": "US"}, follow=True)
    assert "What is masked: choose at least one of EMAIL" in page.content.decode()
    page = manager.post("/data/demo/curation/run/", {"rule": "magic"}, follow=True)
    assert "There is no curation rule" in page.content.decode()
    assert CurationStep.objects.count() == 1


def test_shares_and_limits_read_as_a_person_writes_them(project, manager):
    CurationStep.objects.create(
        project=project,
        rule="language",
        state="done",
        seen=3,
        filled=1,
        options={"keep": [], "confidence": 1},
        finished_at=timezone.now(),
    )
    run(project, "length", min_words=1, max_words=1, min_characters=1, max_characters=2000)
    page = manager.get("/data/demo/curation/").content.decode()
    assert re.findall(r"> ?([\d.]+ %)</span>", page) == ["100 %"] * 4  # imported, two steps, in use
    assert "from 1 word · up to 1 word · from 1 character · up to 2,000 characters" in page
    assert "1 language filled in of 3" in page
    run(project, "exact")
    page = manager.get("/data/demo/curation/").content.decode()
    assert re.findall(r"> ?([\d.]+ %)</span>", page)[-2:] == ["66.7 %"] * 2


def test_what_cannot_be_undone_is_said(project, manager):
    step = curation_create(project=project, rule="exact", options={}, user=None)
    page = manager.post(f"/data/demo/curation/{step.pk}/undo/", follow=True).content.decode()
    assert "The step is queued, so there is nothing to undo." in page


def test_what_a_step_dropped_is_shown_with_what_was_kept_and_escaped(project, manager):
    exact, length = run(project, "exact"), run(project, "length", min_words=0, max_words=0, min_characters=4)
    page = manager.get(f"/data/demo/curation/{exact.pk}/").content.decode()
    assert "Reads the same as an earlier prompt." in page
    assert "Kept in its place" in page
    page = manager.get(f"/data/demo/curation/{length.pk}/").content.decode()
    assert "4 characters, at least" not in page  # "<b>2" has four
    assert "<b>2" not in page
    assert "3 characters, at least 4 are asked for." in page


def test_many_dropped_prompts_come_in_pages(project, manager, monkeypatch):
    monkeypatch.setattr("labeling.views.curation.PAGE", 2)
    run_import(project, [{"id": f"d{n}", "prompt": "ONE"} for n in range(4)])
    step = run(project, "exact")
    shown, address = [], f"/data/demo/curation/{step.pk}/"
    while address:
        context = manager.get(address).context
        shown.append([prompt.external_id for prompt in context["rows"]])
        address = f"/data/demo/curation/{step.pk}/?after={context['next']}" if context["next"] else ""
    assert shown == [["b", "d0"], ["d1", "d2"], ["d3"]]
    assert manager.get(f"/data/demo/curation/{step.pk}/?after=nonsense").status_code == 200


def test_masked_text_is_shown_with_its_kinds(project, manager):
    run_import(project, [{"id": "m", "prompt": "Mail bo@example.org"}])
    step = run(project, "pii")
    page = manager.get(f"/data/demo/curation/{step.pk}/").content.decode()
    assert "EMAIL 1" in page
    assert "Mail [EMAIL]" in page
    assert "bo@example.org" not in page
    assert manager.get(f"/data/demo/curation/{step.pk}/?after={'9' * 30}").status_code == 200


def test_a_step_of_another_project_is_not_there(project, manager):
    other = Project.objects.create(slug="other", name="Other")
    run_import(other, ["x"])
    step = curation_create(project=other, rule="exact", options={}, user=None)
    assert manager.get(f"/data/demo/curation/{step.pk}/").status_code == 404
    assert manager.post(f"/data/demo/curation/{step.pk}/undo/").status_code == 404


def test_progress_is_shown_while_a_job_runs(project, manager, api):
    step = curation_create(project=project, rule="near", options={}, user=None)
    CurationStep.objects.update(state="running")
    job = Import.objects.create(project=project, format="prompts", file_name="big.jsonl", path="x", state="running")
    reports = [Reporter(step, total=400), Reporter(job, total=8 * 2**20)]
    for report, done in zip(reports, (100, 2 * 2**20), strict=True):
        report._since -= 10
        report._next = 0
        report.report(done)
    # The rate is of the ten seconds and of what the machine itself needed meanwhile.
    shown = manager.get("/data/demo/curation/live/").content.decode()
    assert re.search(r"25 % · 100 of 400 prompts · \d+ a second · about \d+ s left", shown)
    shown = manager.get("/data/demo/live/").content.decode()
    assert re.search(r"25 % · 2\.0 of 8\.0 MiB · 0\.[12] MiB a second · about \d+ s left", shown)
    underway = api.get(f"/api/v1/curation/{step.pk}/").json()["underway"]
    assert (underway["done"], underway["total"], underway["percent"]) == (100, 400, 25)
    assert api.get("/api/v1/projects/demo/imports/").json()["results"][0]["underway"]["percent"] == 25
    assert api.get(f"/api/v1/imports/{job.pk}/").json()["underway"]["total"] == 8 * 2**20
    for report in reports:
        report.end()
    assert "% ·" not in manager.get("/data/demo/live/").content.decode()
    assert api.get(f"/api/v1/curation/{step.pk}/").json()["underway"] is None


def test_a_cache_that_is_away_costs_the_progress_only(project, manager, settings):
    caches = {**settings.CACHES}
    caches["default"] = {**caches["default"], "LOCATION": "unix:///nowhere/valkey.sock?db=0"}
    settings.CACHES = caches
    assert run_import(project, ["another"]).state == "done"
    Import.objects.update(state="running")
    assert manager.get("/data/demo/live/").status_code == 200


def test_the_api_runs_looks_and_undoes(project, api):
    answer = api.post("/api/v1/projects/demo/curation/", {"rule": "exact"}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    pk = answer.json()["id"]
    assert curation_execute(step_id=pk)
    assert api.get(f"/api/v1/curation/{pk}/").json()["changed"] == 1
    funnel = api.get("/api/v1/projects/demo/curation/funnel/").json()
    assert (funnel["imported"], funnel["in_use"], funnel["stages"][0]["dropped"]) == (3, 2, 1)
    dropped = api.get(f"/api/v1/curation/{pk}/dropped/").json()["results"]
    assert [(row["external_id"], row["drop_reason"]) for row in dropped] == [
        ("b", "Reads the same as an earlier prompt.")
    ]
    assert dropped[0]["duplicate_of"] == str(Prompt.objects.get(external_id="a").pk)
    found = {
        asked: [row["external_id"] for row in api.get(f"/api/v1/projects/demo/prompts/{asked}").json()["results"]]
        for asked in ("?in_use=true", "?in_use=false", "")
    }
    assert found == {"?in_use=true": ["a", "c"], "?in_use=false": ["b"], "": ["a", "b", "c"]}
    assert api.get("/api/v1/projects/demo/overview/").json()["out_of_use"] == 1
    assert api.post(f"/api/v1/curation/{pk}/undo/").status_code == 202
    assert api.post(f"/api/v1/curation/{pk}/undo/").status_code == 409
    assert curation_execute(step_id=pk)
    assert api.get("/api/v1/projects/demo/curation/").json()["results"][0]["state"] == "undone"


def test_the_api_shows_masks_and_refuses_bad_options(project, api):
    run_import(project, [{"id": "m", "prompt": "Mail bo@example.org"}])
    step = run(project, "pii")
    masks = api.get(f"/api/v1/curation/{step.pk}/masks/").json()["results"]
    assert [(mask["found"], mask["messages"][0]["content"]) for mask in masks] == [({"EMAIL": 1}, "Mail [EMAIL]")]
    answer = api.post("/api/v1/projects/demo/curation/", {"rule": "cap", "options": {"most": -1}}, format="json")
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "Prompts kept of each must be a whole number from 1 to 1,000,000.",
    )
    assert (
        api.post("/api/v1/projects/demo/curation/", {"rule": "exact", "options": 3}, format="json").status_code == 400
    )


def test_the_pages_read_a_fixed_number_of_times(project, manager, django_assert_max_num_queries):
    run_import(project, [{"id": f"d{n}", "prompt": "ONE"} for n in range(60)])
    step = run(project, "exact")
    for _ in range(12):
        CurationStep.objects.create(project=project, rule="exact", state="undone")
    with django_assert_max_num_queries(10):
        manager.get("/data/demo/curation/")
    with django_assert_max_num_queries(7):
        manager.get(f"/data/demo/curation/{step.pk}/")


def test_a_step_whose_worker_was_lost_is_run_again(project):
    step = curation_create(project=project, rule="exact", options={}, user=None)
    long_ago = "2026-01-01T00:00:00Z"
    CurationStep.objects.update(state="running", started_at=long_ago, created_at=long_ago, attempts=1)
    assert jobs_requeue(CurationStep) == [step.pk]
    assert curation_execute(step_id=step.pk)
    step.refresh_from_db()
    assert (step.state, step.attempts) == ("done", 2)
