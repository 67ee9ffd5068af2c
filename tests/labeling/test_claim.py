"""Claiming: who gets which task, and that nobody shares a slot."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Assignment, Task
from labeling.services import slots
from labeling.services.assignments import leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.skips import assignment_skip
from people.models import Membership, Role
from people.refusals import Refused
from tests.labeling.threads import together
from tests.labeling.work import (
    completion_ids,
    make_demonstration_task,
    make_instructions,
    make_labeler,
    make_project,
    make_prompt,
    make_ranking_task,
    open_slots,
)

pytestmark = pytest.mark.django_db


def test_a_claim_leases_one_slot_and_stamps_what_was_shown():
    project = make_project(lease_minutes=20)
    make_instructions(project, version=1)
    make_instructions(project, version=2)
    task = make_ranking_task(project, ("a", "b", "c", "d"))
    ada = make_labeler(project)
    before = timezone.now()
    assignment = assignment_claim_next(labeler=ada, project=project)
    after = timezone.now()
    assert assignment.task == task
    assert assignment.state == "leased"
    assert assignment.instructions_version == 2
    assert before + timedelta(minutes=20) <= assignment.lease_expires_at <= after + timedelta(minutes=20)
    assert sorted(assignment.shown_order) == sorted(completion_ids(task))
    assert open_slots(task) == 0


def test_the_shown_order_is_drawn_for_each_labeler():
    project = make_project()
    task = make_ranking_task(project, tuple("abcdefgh"), overlap=6)
    orders = set()
    for number in range(6):
        labeler = make_labeler(project, f"labeler{number}")
        orders.add(tuple(assignment_claim_next(labeler=labeler, project=project).shown_order))
    # Out of 8! = 40,320 orders, six draws hold two equal pairs once in millions of runs.
    assert len(orders) >= 5
    assert all(sorted(order) == sorted(completion_ids(task)) for order in orders)


def test_priority_comes_first_then_the_stored_random_key(monkeypatch):
    monkeypatch.setattr(slots, "draw_start", lambda: 0)
    project = make_project()
    late = make_demonstration_task(project, priority=0, random_key=5)
    early = make_demonstration_task(project, priority=0, random_key=2)
    urgent = make_demonstration_task(project, priority=3, random_key=9)
    ada = make_labeler(project)
    order = []
    for _ in range(3):
        assignment = assignment_claim_next(labeler=ada, project=project)
        order.append(assignment.task)
        assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="next, please")
    assert order == [urgent, early, late]
    assert assignment_claim_next(labeler=ada, project=project) is None


def test_the_same_task_again_until_it_is_done():
    project = make_project()
    task, other = make_demonstration_task(project), make_demonstration_task(project)
    ada = make_labeler(project)
    first = assignment_claim_next(labeler=ada, project=project)
    again = assignment_claim_next(labeler=ada, project=project)
    assert again == first
    assert again.lease_expires_at > first.lease_expires_at
    assert open_slots(task) + open_slots(other) == 1


def test_a_labeler_gets_a_task_once_even_if_it_wants_more_labels():
    project = make_project()
    make_demonstration_task(project, overlap=3)
    ada = make_labeler(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="not my field")
    assert assignment_claim_next(labeler=ada, project=project) is None


def test_the_kind_can_be_chosen():
    project = make_project()
    ranking = make_ranking_task(project, priority=0)
    demonstration = make_demonstration_task(project, priority=5)
    ada = make_labeler(project)
    assert assignment_claim_next(labeler=ada, project=project, kind="ranking").task == ranking
    assert assignment_claim_next(labeler=ada, project=project, kind="demonstration").task == demonstration
    assert Assignment.objects.count() == 2


def test_a_task_of_another_project_is_never_handed_out():
    project, foreign = make_project(), make_project("other")
    make_demonstration_task(foreign)
    ada = make_labeler(project)
    assert assignment_claim_next(labeler=ada, project=project) is None


@pytest.mark.parametrize("role", [Role.LABELER, Role.REVIEWER, Role.MANAGER])
def test_labelers_reviewers_and_managers_may_label(role):
    project = make_project()
    make_demonstration_task(project)
    assert assignment_claim_next(labeler=make_labeler(project, role=role), project=project) is not None


def test_engineers_strangers_and_withdrawn_members_may_not():
    project = make_project()
    task = make_demonstration_task(project)
    engineer = make_labeler(project, "eve", role=Role.ENGINEER)
    stranger = make_labeler(make_project("other"), "sam")
    withdrawn = make_labeler(project, "wim")
    Membership.objects.filter(user=withdrawn).delete()
    for person in (engineer, stranger, withdrawn):
        with pytest.raises(Refused, match="You do not label in the project Everyday assistant"):
            assignment_claim_next(labeler=person, project=project)
    assert open_slots(task) == 1


def test_a_closed_project_hands_out_nothing():
    project = make_project(is_active=False)
    task = make_demonstration_task(project)
    with pytest.raises(Refused, match="closed and hands out no tasks"):
        assignment_claim_next(labeler=make_labeler(project), project=project)
    assert open_slots(task) == 1


def test_a_project_without_setup_runs_on_the_defaults():
    project = make_project()
    project.setup.delete()
    make_demonstration_task(project)
    assert assignment_claim_next(labeler=make_labeler(project), project=project).state == "leased"


def test_the_number_of_queries_does_not_grow_with_the_tasks(django_assert_max_num_queries):
    project = make_project()
    for _ in range(30):
        make_ranking_task(project)
    ada = make_labeler(project)
    with django_assert_max_num_queries(11):  # savepoint and its release included
        assert assignment_claim_next(labeler=ada, project=project)
    with django_assert_max_num_queries(8):
        assert assignment_claim_next(labeler=ada, project=project)


def test_the_claim_walks_the_index_of_open_tasks():
    project = make_project()
    prompt = make_prompt(project)
    Task.objects.bulk_create(
        Task(project=project, prompt=prompt, kind="ranking", taken=0 if number % 5 == 0 else 1)
        for number in range(5000)
    )
    ada = make_labeler(project)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_task")
        cursor.execute("ANALYZE labeling_assignment")
    plans = []

    def explained(execute, sql, params, many, context):
        if sql.lstrip().startswith("WITH"):
            plans.append("\n".join(row[0] for row in _rows(f"EXPLAIN {sql}", params)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        assert assignment_claim_next(labeler=ada, project=project)
    classes, taken = plans
    for plan, indexes in ((classes, ["task_own", "task_fresh"]), (taken, ["task_fresh"])):
        assert all(index in plan for index in indexes)
        assert "Seq Scan on labeling_task" not in plan


def _rows(sql, params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


@pytest.mark.django_db(transaction=True)
def test_eight_labelers_at_once_never_share_a_slot():
    project = make_project()
    tasks = [make_demonstration_task(project) for _ in range(20)]
    labelers = [make_labeler(project, f"labeler{number}") for number in range(8)]

    def work(number: int) -> list[UUID]:
        taken = []
        while assignment := assignment_claim_next(labeler=labelers[number], project=project):
            taken.append(assignment.task_id)
            # Handed in without a label: what counts here is that the slot is gone.
            Assignment.objects.filter(pk=assignment.pk).update(state="submitted")
        return taken

    results = together(8, work)
    assert not [r for r in results if isinstance(r, Exception)]
    handed_out = Counter(task_id for taken in results for task_id in taken)
    assert handed_out == {task.pk: 1 for task in tasks}
    assert Assignment.objects.count() == 20
    assert set(Task.objects.values_list("taken", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_a_task_is_given_to_as_many_as_it_wants_and_no_more():
    project = make_project()
    task = make_ranking_task(project, overlap=5)
    labelers = [make_labeler(project, f"labeler{number}") for number in range(8)]
    results = together(8, lambda number: assignment_claim_next(labeler=labelers[number], project=project))
    assert not [r for r in results if isinstance(r, Exception)]
    assert sum(r is not None for r in results) == 5
    assert sum(r is None for r in results) == 3
    assert Assignment.objects.filter(task=task).count() == 5
    assert open_slots(task) == 0


@pytest.mark.django_db(transaction=True)
def test_two_tabs_of_one_labeler_get_one_task():
    project = make_project()
    for _ in range(6):
        make_demonstration_task(project)
    ada = make_labeler(project)
    results = together(6, lambda number: assignment_claim_next(labeler=ada, project=project))
    assert not [r for r in results if isinstance(r, Exception)]
    assert len({r.pk for r in results}) == 1
    assert sum(Task.objects.values_list("taken", flat=True)) == 1


@pytest.mark.django_db(transaction=True)
def test_claims_and_expiry_at_once_keep_the_slots_right():
    project = make_project()
    tasks = [make_demonstration_task(project, overlap=2) for _ in range(6)]
    old = [make_labeler(project, f"old{number}") for number in range(4)]
    for labeler in old:
        for _ in range(2):
            assignment = assignment_claim_next(labeler=labeler, project=project)
            Assignment.objects.filter(pk=assignment.pk).update(state="submitted")
        assignment_claim_next(labeler=labeler, project=project)
    past = timezone.now() - timedelta(minutes=1)
    Assignment.objects.filter(state="leased").update(lease_expires_at=past)
    new = [make_labeler(project, f"new{number}") for number in range(5)]

    def act(number: int):
        if number < 5:
            return assignment_claim_next(labeler=new[number], project=project)
        return leases_expire()

    results = together(8, act)
    assert not [r for r in results if isinstance(r, Exception)]
    leases_expire()
    for task in tasks:
        held = task.assignments.filter(state__in=["leased", "submitted"]).count()
        assert open_slots(task) == 2 - held
        assert held <= 2
