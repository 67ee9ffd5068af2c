"""The API of training: what it answers, and to whom."""

import pytest
from rest_framework.test import APIClient

from tests.training.conftest import DIGEST, write_small_snapshot
from training import tasks
from training.models import Metric, Run

pytestmark = pytest.mark.django_db
RUN = {"project": "demo", "kind": "sft", "preset": "cpu"}


@pytest.fixture
def called(monkeypatch):
    """The runs that workers were called for."""
    ids = []
    monkeypatch.setattr(tasks, "run_call", ids.append)
    return ids


@pytest.fixture
def api(people):
    def sign_in(who):
        client = APIClient()
        if who:
            client.force_authenticate(getattr(people, who))
        return client

    return sign_in


def test_starting_a_run(api, people, snapshot, called):
    answer = api("engineer").post(
        "/api/v1/runs/", {**RUN, "snapshot": snapshot.digest, "settings": {"epochs": 2}}, "json"
    )
    assert answer.status_code == 201
    run = Run.objects.get()
    assert run.requested_by == people.engineer
    assert called == [run.pk]
    told = answer.json()
    assert told["settings"].pop("epochs") == 2
    assert told["settings"].pop("batch_size") == 8
    expected = {
        "id": run.pk, "name": f"SFT {run.pk}", "project": "demo", "kind": "sft", "state": "queued", "phase": "",
        "done": 0, "total": None, "remaining_seconds": None, "notes": [], "summary": {}, "error": "",
        "snapshot": snapshot.digest, "policy": None, "reward": None, "models": [], "checkpoint": None,
        "completions_digest": None, "preset": "cpu", "node": "", "started_at": None, "finished_at": None,
        "url": f"/runs/{run.pk}/",
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected


def test_the_same_key_answers_with_the_same_run(api, snapshot, called):
    asked = {**RUN, "snapshot": snapshot.digest}
    answers = [
        api("engineer").post("/api/v1/runs/", asked, "json", headers={"Idempotency-Key": key})
        for key in ("a", "a", "b")
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 201]
    ids = [answer.json()["id"] for answer in answers]
    assert ids[0] == ids[1] != ids[2]
    other = {**asked, "settings": {"epochs": 2}}
    answer = api("engineer").post("/api/v1/runs/", other, "json", headers={"Idempotency-Key": "a"})
    assert (answer.status_code, Run.objects.count()) == (409, 2)
    answer = api("engineer").post("/api/v1/runs/", asked, "json", headers={"Idempotency-Key": "k" * 65})
    assert answer.status_code == 400


def test_a_run_in_the_middle_tells_progress_and_what_it_made(api, make_run, make_checkpoint):
    sft = make_checkpoint("Policy", number=7)
    run = make_run(kind="sample", state="running", phase="sample", done=3, total=12, sample_base=True)
    run.sampled.add(sft)
    told = api("reviewer").get(f"/api/v1/runs/{run.pk}/").json()
    assert (told["phase"], told["done"], told["total"]) == ("sample", 3, 12)
    assert told["models"] == ["base", DIGEST(7)]
    assert api("reviewer").get(f"/api/v1/runs/{sft.run_id}/").json()["checkpoint"] == DIGEST(7)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"snapshot": DIGEST(5)}, "Demo has no snapshot '000000000000'."),
        ({"settings": {"epochs": 0}}, "epochs must be between 1 and 1,000, not 0."),
        ({"kind": "ppo"}, "PPO needs a policy to start from."),
    ],
)
def test_a_refusal_is_one_sentence_and_starts_nothing(api, snapshot, called, change, sentence):
    answer = api("engineer").post("/api/v1/runs/", {**RUN, "snapshot": snapshot.digest, **change}, "json")
    assert (answer.status_code, answer.json()) == (400, {"detail": sentence})
    assert not Run.objects.exists()
    assert called == []


@pytest.mark.parametrize(
    "change", [{"kind": "grpo"}, {"preset": "huge"}, {"settings": [1]}, {"dryrun": True}, {"models": "base"}]
)
def test_a_wrong_shape_is_refused(api, snapshot, called, change):
    answer = api("engineer").post("/api/v1/runs/", {**RUN, "snapshot": snapshot.digest, **change}, "json")
    assert answer.status_code == 400
    assert list(answer.json()) == list(change)


def test_cancelling(api, make_run):
    queued, running = make_run(), make_run(state="running")
    ended = make_run(name="Done", state="succeeded", finished_at="2026-01-02T00:00Z")
    engineer = api("engineer")
    assert engineer.post(f"/api/v1/runs/{queued.pk}/cancel/").json()["state"] == "cancelled"
    assert engineer.post(f"/api/v1/runs/{running.pk}/cancel/").json()["state"] == "cancelling"
    assert engineer.post(f"/api/v1/runs/{running.pk}/cancel/").json()["state"] == "cancelling"  # twice is once
    answer = engineer.post(f"/api/v1/runs/{ended.pk}/cancel/")
    assert (answer.status_code, answer.json()) == (409, {"detail": "Done has ended already: succeeded."})


def test_metrics_are_read_on_from_a_line(api, make_run):
    run = make_run()
    for line in (2, 3, 5):
        Metric.objects.create(run=run, line=line, type="metrics", step=line, values={}, time="2026-01-02T00:00Z")
    engineer = api("engineer")
    assert [m["line"] for m in engineer.get(f"/api/v1/runs/{run.pk}/metrics/").json()] == [2, 3, 5]
    assert [m["line"] for m in engineer.get(f"/api/v1/runs/{run.pk}/metrics/?after=3").json()] == [5]
    assert engineer.get(f"/api/v1/runs/{run.pk}/metrics/?after=x").status_code == 400


def test_snapshots_are_looked_for_in_the_store(api, project, store, tmp_path):
    digest, directory = write_small_snapshot(tmp_path / "new")
    store.put("snapshots", directory)
    [told] = api("engineer").get("/api/v1/training/snapshots/").json()["results"]
    assert (told["digest"], told["project"]) == (digest, "demo")
    assert told["manifest"]["meta"]["counts"]["demonstrations"] == {"train": 2, "valid": 1}
    assert api("stranger").get("/api/v1/training/snapshots/").json()["results"] == []


def test_a_model_version_tells_its_lineage(api, make_run, make_checkpoint):
    sft = make_checkpoint("Policy", number=1)
    make_checkpoint("Judge", kind="reward", number=2, policy=sft)
    user = make_run(kind="ppo", policy=sft)
    engineer = api("engineer")
    told = engineer.get(f"/api/v1/checkpoints/{DIGEST(2)}/").json()
    assert (told["kind"], told["parents"]) == ("reward", {"policy": DIGEST(1)})
    told = engineer.get(f"/api/v1/checkpoints/{DIGEST(1)}/").json()
    assert told["parents"] == {}
    assert user.pk in told["used_by"]
    listed = engineer.get("/api/v1/checkpoints/").json()
    assert [c["digest"] for c in listed["results"]] == [DIGEST(2), DIGEST(1)]


def test_settings_are_described_with_the_presets_values(api, project):
    told = api("reviewer").get("/api/v1/training/settings/reward/?preset=paper").json()
    assert told["values"]["batch_prompts"] == 64  # IG appendix C.2
    field = next(field for field in told["fields"] if field["name"] == "ties")
    assert field["choices"] == ["drop", "half"]
    assert api("reviewer").get("/api/v1/training/settings/grpo/").status_code == 400
    assert api("reviewer").get("/api/v1/training/settings/sft/?preset=huge").status_code == 400


GETS = ["runs/", "runs/{run}/", "runs/{run}/metrics/", "checkpoints/", "checkpoints/{model}/", "training/snapshots/",
        "training/settings/sft/"]  # fmt: skip


@pytest.mark.parametrize("address", GETS)
@pytest.mark.parametrize("who", ["engineer", "manager", "reviewer", "admin", "labeler", "stranger", ""])
def test_who_may_read(api, make_run, make_checkpoint, address, who):
    address = address.format(run=make_run().pk, model=make_checkpoint("Policy").digest)
    expected = {"labeler": 403, "": 401}.get(who, 200)
    if who == "stranger" and any(character.isdigit() for character in address):
        expected = 404
    assert api(who).get(f"/api/v1/{address}").status_code == expected


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("engineer", 201),
        ("manager", 201),
        ("admin", 201),
        ("reviewer", 403),
        ("labeler", 403),
        ("stranger", 404),
        ("", 401),
    ],
)
def test_who_may_start_and_stop(api, snapshot, make_run, called, who, status):
    answer = api(who).post("/api/v1/runs/", {**RUN, "snapshot": snapshot.digest}, "json")
    assert answer.status_code == status
    answer = api(who).post(f"/api/v1/runs/{make_run().pk}/cancel/")
    assert answer.status_code == (200 if status == 201 else status)


def test_lists_hold_only_what_one_follows(api, make_run, make_checkpoint):
    make_checkpoint("Policy")
    for address in ("runs/", "checkpoints/", "training/snapshots/"):
        assert api("stranger").get(f"/api/v1/{address}").json()["count"] == 0
        assert api("engineer").get(f"/api/v1/{address}").json()["count"] == 1


def test_a_list_of_runs_makes_no_query_a_run_that_it_could_share(api, make_run, django_assert_max_num_queries):
    for number in range(12):
        make_run(name=f"Run number {number}")
    engineer = api("engineer")
    with django_assert_max_num_queries(6):
        assert len(engineer.get("/api/v1/runs/").json()["results"]) == 12
