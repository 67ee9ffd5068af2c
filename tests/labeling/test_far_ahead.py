"""Who has had nearly all of many open tasks: what is looked at is bounded, and what is there is found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Assignment, ProjectSetup, Task
from labeling.selectors import open_work
from labeling.selectors.open_work import OpenCount, open_counts
from labeling.services import slots
from labeling.services.claims import assignment_claim_next
from people.models import Project
from tests.labeling.work import make_labeler, make_project, make_prompt

pytestmark = pytest.mark.django_db
MANY = 3_000
LOOK = 50


@pytest.fixture
def project():
    made = make_project()
    ProjectSetup.objects.update(overlap=3)
    return Project.objects.get(pk=made.pk)


@pytest.fixture
def ada(project):
    return make_labeler(project)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setattr(slots, "LOOK", LOOK)
    monkeypatch.setattr(open_work, "LOOK", LOOK)


def begun(project, labeler, count, *, priority=0):
    """Tasks that the labeler has answered and that others are still to answer."""
    prompt, now = make_prompt(project), timezone.now() - timedelta(days=2)
    tasks = Task.objects.bulk_create(
        Task(project=project, prompt=prompt, kind="ranking", taken=1, priority=priority) for _ in range(count)
    )
    Assignment.objects.bulk_create(
        Assignment(task=task, labeler=labeler, state="submitted", lease_expires_at=now, submitted_at=now)
        for task in tasks
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_task, labeling_assignment")
    return tasks


def rows_read() -> int:
    """Rows of tasks that this transaction has read, by whichever way, as PostgreSQL counts them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'labeling_task'"
        )
        return cursor.fetchone()[0]


def test_a_claim_looks_at_a_bounded_number_of_tasks(project, ada):
    begun(project, ada, MANY)
    before = rows_read()
    assert assignment_claim_next(labeler=ada, project=project, kind="ranking") is None
    # One priority, one lane and two steps (taken once or twice): two looks around a place each, and a few steps down.
    assert rows_read() - before <= 4 * LOOK + 60 < MANY / 10
    assert assignment_claim_next(labeler=make_labeler(project, "bob"), project=project) is not None


def test_a_count_looks_at_a_bounded_number_of_tasks(project, ada):
    begun(project, ada, MANY)
    before = rows_read()
    assert open_counts(ada, [project]) == {(project.pk, "ranking"): OpenCount(0, is_more=True)}
    assert rows_read() - before <= 3 * LOOK + 20 < MANY / 10
    assert open_counts(make_labeler(project, "bob"), [project]) == {
        (project.pk, "ranking"): OpenCount(LOOK, is_more=True)
    }


def test_what_is_left_among_a_few_is_always_found(project, ada):
    tasks = begun(project, ada, LOOK - 1)
    left = Task.objects.create(project=project, prompt=tasks[0].prompt, kind="ranking", taken=1)
    assert assignment_claim_next(labeler=ada, project=project).task == left


def test_what_is_left_among_many_is_found_from_one_place_or_another(project, ada, monkeypatch):
    tasks = begun(project, ada, 10 * LOOK)
    for key, task in enumerate(tasks):
        task.random_key = key
    Task.objects.bulk_update(tasks, ["random_key"])
    left = Task.objects.create(project=project, prompt=tasks[0].prompt, kind="ranking", taken=1, random_key=333)
    monkeypatch.setattr(slots, "draw_start", lambda: 200)
    assert assignment_claim_next(labeler=ada, project=project) is None
    monkeypatch.setattr(slots, "draw_start", lambda: 300)
    assert assignment_claim_next(labeler=ada, project=project).task == left


def test_lower_priorities_are_reached_past_many_that_were_had(project, ada):
    for priority in (9, 7, 5):
        begun(project, ada, 4 * LOOK, priority=priority)
    left = Task.objects.create(project=project, prompt=make_prompt(project), kind="ranking", taken=2, priority=1)
    assert assignment_claim_next(labeler=ada, project=project).task == left
