"""Training in the admin: started and stopped there, by whom it may be, with the service's own sentences."""

import pytest
from django.urls import reverse

from training import tasks
from training.models import Run

pytestmark = pytest.mark.django_db
ADD = reverse("admin:training_run_add")
LIST = reverse("admin:training_run_changelist")


@pytest.fixture
def called(monkeypatch):
    ids = []
    monkeypatch.setattr(tasks, "run_call", ids.append)
    return ids


@pytest.fixture
def staff(people):
    """An engineer and a reviewer who may enter the admin."""
    for user in (people.engineer, people.reviewer, people.labeler, people.stranger):
        user.is_staff = True
        user.save()
    return people


@pytest.fixture
def form(project, snapshot):
    return {
        "project": project.pk,
        "kind": "sft",
        "name": "",
        "snapshot": snapshot.pk,
        "preset": "cpu",
        "changed": "{}",
    }


def test_adding_a_run_starts_it(client, staff, form, called):
    client.force_login(staff.engineer)
    answer = client.post(ADD, {**form, "changed": '{"epochs": 2}'})
    run = Run.objects.get()
    assert answer.status_code == 302
    assert (run.name, run.state, run.settings["epochs"]) == (f"SFT {run.pk}", "queued", 2)
    assert run.requested_by == staff.engineer
    assert called == [run.pk]


def test_a_sample_run_keeps_its_models(client, staff, form, make_checkpoint, called):
    policy = make_checkpoint("Writer")
    client.force_login(staff.admin)
    client.post(ADD, {**form, "kind": "sample", "sampled": [policy.pk], "sample_base": "on"})
    run = Run.objects.get(kind="sample")
    assert (run.sample_base, list(run.sampled.all())) == (True, [policy])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "ppo"}, "PPO needs a policy to start from."),
        ({"changed": '{"epoch": 2}'}, "sft has no setting &#x27;epoch&#x27;; the nearest is &#x27;epochs&#x27;."),
        ({"changed": "[1]"}, "Settings must be an object such as"),
        ({"changed": "{"}, "Enter a valid JSON."),
    ],
)
def test_what_the_service_refuses_the_form_says(client, staff, form, called, change, sentence):
    client.force_login(staff.engineer)
    answer = client.post(ADD, {**form, **change})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Run.objects.exists()
    assert called == []


def test_stopping_chosen_runs(client, staff, make_run):
    queued, running = make_run(), make_run(state="running")
    over = make_run(name="Over", state="failed", finished_at="2026-01-02T00:00Z")
    client.force_login(staff.engineer)
    chosen = {"action": "stop", "_selected_action": [queued.pk, running.pk, over.pk]}
    answer = client.post(LIST, chosen, follow=True).content.decode()
    assert [Run.objects.get(pk=run.pk).state for run in (queued, running, over)] == [
        "cancelled",
        "cancelling",
        "failed",
    ]
    assert "Over has ended already: failed." in answer
    assert "Stopped or stopping: 2." in answer


def test_the_list_shows_state_and_progress(client, staff, make_run):
    make_run(name="Now", state="running", phase="train", done=3, total=12)
    client.force_login(staff.engineer)
    page = client.get(LIST).content.decode()
    assert "Now" in page
    assert "train: 3 of 12 steps" in page


def test_reviewers_look_and_do_nothing(client, staff, make_run):
    run = make_run(name="Look")
    client.force_login(staff.reviewer)
    assert "Look" in client.get(LIST).content.decode()
    assert client.get(ADD).status_code == 403
    client.post(LIST, {"action": "stop", "_selected_action": [run.pk]})
    run.refresh_from_db()
    assert run.state == "queued"


def test_staff_of_other_projects_see_nothing_of_this_one(client, staff, make_run, make_checkpoint, snapshot):
    run = make_run(name="Secret")
    policy = make_checkpoint("Secret policy")
    client.force_login(staff.stranger)
    page = client.get(LIST).content.decode()
    assert "Secret" not in page
    assert run.project.name not in page  # not even among the filters
    assert client.get(reverse("admin:training_run_change", args=[run.pk])).status_code == 302  # says it knows no such
    page = client.get(ADD).content.decode()
    assert policy.name not in page
    assert snapshot.digest[:12] not in page


def test_labelers_find_no_training_in_the_admin(client, staff, make_run):
    client.force_login(staff.labeler)
    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("model", ["run", "checkpoint", "publishedsnapshot"])
def test_every_page_opens_and_nothing_is_changed_or_deleted_by_hand(client, staff, make_run, make_checkpoint, model):
    checkpoint = make_checkpoint("Writer")
    row = {"run": checkpoint.run, "checkpoint": checkpoint, "publishedsnapshot": checkpoint.run.snapshot}[model]
    client.force_login(staff.admin)
    assert client.get(reverse(f"admin:training_{model}_changelist")).status_code == 200
    page = client.get(reverse(f"admin:training_{model}_change", args=[row.pk]))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    assert client.get(reverse(f"admin:training_{model}_delete", args=[row.pk])).status_code == 403
