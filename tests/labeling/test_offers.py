"""Tasks offered to named people."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from labeling.models import Assignment
from labeling.services.assignments import leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.offers import offer_withdraw, task_offer
from labeling.services.skips import assignment_skip
from people.models import Cohort, Membership, Role
from people.refusals import Conflict, Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_ranking_task, open_slots

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project, "ada")


@pytest.fixture
def bob(project):
    return make_labeler(project, "bob")


def test_an_offer_keeps_a_slot_and_is_claimed_first(project, ada, bob):
    urgent = make_ranking_task(project, priority=9)
    task = make_ranking_task(project)
    [offer] = task_offer(task=task, labelers=[ada])
    assert (offer.state, offer.shown_order, open_slots(task)) == ("offered", [], 0)
    assert leases_expire() == 0  # an offer does not run out
    taken = assignment_claim_next(labeler=ada, project=project)
    assert (taken, taken.task, taken.state, len(taken.shown_order)) == (offer, task, "leased", 3)
    assert assignment_claim_next(labeler=bob, project=project).task == urgent
    assert assignment_claim_next(labeler=ada, project=project, another=True) is None


def test_an_offer_needs_no_skill_but_the_cohort(project, ada, bob):
    task = make_demonstration_task(project, overlap=2, lane="training:de")
    Membership.objects.filter(user=bob).update(cohort=Cohort.HELD_OUT)
    with pytest.raises(Refused, match="The task is for training labelers, and bob is none of them"):
        task_offer(task=task, labelers=[ada, bob])
    assert (Assignment.objects.count(), open_slots(task)) == (0, 2)
    task_offer(task=task, labelers=[ada])
    assert assignment_claim_next(labeler=ada, project=project).task == task


def test_all_of_them_or_none(project, ada, bob):
    task = make_demonstration_task(project)
    stranger = make_labeler(make_project("other"), "sam")
    for people, error, sentence in (
        ([], Refused, "Name somebody"),
        ([ada, stranger], Refused, "sam does not label in the project Everyday assistant"),
        ([ada, bob], Conflict, "The task wants 1 label and 0 are given away; let it want more before offering it"),
    ):
        with pytest.raises(error, match=sentence):
            task_offer(task=task, labelers=people)
    assert (Assignment.objects.count(), open_slots(task)) == (0, 1)
    task_offer(task=task, labelers=[ada])
    with pytest.raises(Conflict, match="ada has or had this task already"):
        task_offer(task=task, labelers=[ada])


def test_an_offer_is_taken_back_until_it_is_taken_up(project, ada):
    task = make_demonstration_task(project)
    [offer] = task_offer(task=task, labelers=[ada])
    offer_withdraw(assignment_id=offer.pk)
    assert (Assignment.objects.count(), open_slots(task)) == (0, 1)
    [offer] = task_offer(task=task, labelers=[ada])
    assignment_claim_next(labeler=ada, project=project)
    with pytest.raises(Conflict, match="cannot be taken back"):
        offer_withdraw(assignment_id=offer.pk)
    assert open_slots(task) == 0


def test_an_offer_can_be_declined(project, ada, bob):
    task = make_demonstration_task(project)
    [offer] = task_offer(task=task, labelers=[ada])
    assignment_skip(assignment_id=offer.pk, labeler=ada, kind="expertise")
    assert open_slots(task) == 1
    assert assignment_claim_next(labeler=ada, project=project) is None
    assert assignment_claim_next(labeler=bob, project=project).task == task


def test_managers_offer_over_http(project, ada):
    task = make_demonstration_task(project)
    manager = APIClient()
    manager.force_authenticate(make_labeler(project, "mia", role=Role.MANAGER))
    url = f"/api/v1/tasks/{task.pk}/offers/"
    answer = manager.post(url, {"labelers": ["ada", "nobody"]}, format="json")
    assert answer.json() == {"labelers": "The project has no member 'nobody'."}
    answer = manager.post(url, {"labelers": ["ada"]}, format="json")
    assert answer.status_code == 201
    [offer] = answer.json()
    assert offer == {"id": str(Assignment.objects.get().pk), "labeler": "ada", "state": "offered"}
    assert manager.get(url).json() == [offer]
    assert manager.delete(f"/api/v1/offers/{offer['id']}/").status_code == 204
    assert (Assignment.objects.count(), open_slots(task)) == (0, 1)


def test_an_offer_is_taken_from_my_work_with_its_answers(project, ada):
    task = make_ranking_task(project, ("one", "two"))
    task_offer(task=task, labelers=[ada])
    offer, pages = Assignment.objects.get(), Client()
    pages.force_login(ada)
    url, take = f"/label/a/{offer.pk}/", f"/label/a/{offer.pk}/resume/"
    assert f'action="{take}"' in pages.get("/label/").content.decode()
    page = pages.get(url).content.decode()
    assert "This task is offered to you" in page
    assert f'action="{take}"' in page
    offer.refresh_from_db()
    assert offer.state == "offered"  # a look takes nothing
    taken = pages.post(take, follow=True)
    assert [answer.completion.text for answer in taken.context["answers"]] in (["one", "two"], ["two", "one"])
    offer.refresh_from_db()
    assert (offer.state, len(offer.shown_order)) == ("leased", 2)


def test_managers_change_a_task_over_http(project, ada):
    task = make_demonstration_task(project)
    manager = APIClient()
    manager.force_authenticate(make_labeler(project, "mia", role=Role.MANAGER))
    url = f"/api/v1/tasks/{task.pk}/"
    changed = manager.patch(url, {"priority": 4, "wanted": 3, "is_withdrawn": True}, format="json").json()
    assert (changed["priority"], changed["wanted"], changed["is_withdrawn"]) == (4, 3, True)
    assert assignment_claim_next(labeler=ada, project=project) is None
    changed = manager.patch(url, {"wanted": 0, "is_withdrawn": False}, format="json").json()
    assert (changed["priority"], changed["wanted"], changed["is_withdrawn"]) == (4, None, False)
    assert manager.patch(url, {"wanted": 21}, format="json").status_code == 400
    misspelt = manager.patch(url, {"withdrawn": True, "priority": 9}, format="json")
    assert (misspelt.status_code, misspelt.json()) == (
        400,
        {"withdrawn": ["There is no such field; there are priority, wanted, is_withdrawn."]},
    )
    task.refresh_from_db()
    assert (task.priority, task.withdrawn_at) == (4, None)
    assert assignment_claim_next(labeler=ada, project=project).task == task
