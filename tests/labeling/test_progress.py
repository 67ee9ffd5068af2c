"""What a labeler did today and this week, and what waits for them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment, ProjectSetup, Task
from labeling.selectors import progress
from labeling.selectors.progress import Done, progress_of, work_of
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.instructions import instructions_confirm
from labeling.templatetags.work import duration
from people.models import Cohort, Membership, Role
from tests.labeling.work import (
    make_demonstration_task,
    make_instructions,
    make_labeler,
    make_project,
    make_prompt,
    make_ranking_task,
)

pytestmark = pytest.mark.django_db

WEDNESDAY = datetime(2026, 3, 4, 10)


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


def give(project, labeler, *, at, seconds=0):
    make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=labeler, project=project, kind="demonstration")
    demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key="k", text="So.")
    Assignment.objects.filter(pk=assignment.pk).update(submitted_at=at, focus_seconds=seconds)


def waiting(labeler) -> dict[str, list[tuple[str, int]]]:
    return {
        work.project.slug: [(open_.kind, open_.counted.count) for open_ in work.open] for work in work_of(labeler, [])
    }


def test_today_and_since_monday(project, ada, monkeypatch):
    now = timezone.make_aware(WEDNESDAY)
    monkeypatch.setattr(progress.timezone, "localdate", lambda: WEDNESDAY.date())
    give(project, ada, at=now, seconds=60)
    give(project, ada, at=now.replace(hour=0, minute=0), seconds=30)
    give(project, ada, at=now - timedelta(days=1), seconds=300)
    give(project, ada, at=timezone.make_aware(datetime(2026, 3, 2)))  # Monday, 0:00
    give(project, ada, at=timezone.make_aware(datetime(2026, 3, 1, 23, 59)))  # Sunday
    give(project, make_labeler(project, "bob"), at=now)
    assert progress_of(ada) == [Done("everyday", "demonstration", 2, 4, 90, 390)]


def test_nothing_done_is_no_row(ada):
    assert progress_of(ada) == []


def test_projects_by_priority_then_name(project, ada):
    for slug, name, priority in (("b", "Beta", 5), ("a", "Alpha", 0)):
        other = make_project(slug, name=name)
        ProjectSetup.objects.filter(project=other).update(priority=priority)
        Membership.objects.create(user=ada, project=other, role=Role.LABELER)
    closed = make_project("c", name="Closed", is_active=False)
    Membership.objects.create(user=ada, project=closed, role=Role.LABELER)
    assert [work.project.slug for work in work_of(ada, [])] == ["b", "a", "everyday"]


def test_what_is_open_is_what_a_claim_would_give(project, ada):
    ProjectSetup.objects.update(overlap=2)
    make_demonstration_task(project, prompt=make_prompt(project))
    make_ranking_task(project, ("a", "b"), overlap=1)
    shared = make_ranking_task(project, ("a", "b"), overlap=2)
    make_demonstration_task(project, withdrawn_at=timezone.now())
    Task.objects.filter(pk=shared.pk).update(taken=1)
    assert waiting(ada) == {"everyday": [("demonstration", 1), ("ranking", 2)]}
    Task.objects.filter(pk=shared.pk).update(taken=2)
    assert waiting(ada) == {"everyday": [("demonstration", 1), ("ranking", 1)]}
    assignment_claim_next(labeler=ada, project=project, kind="demonstration")
    assert waiting(ada) == {"everyday": [("ranking", 1)]}
    ProjectSetup.objects.update(kinds=["demonstration"])
    assert waiting(ada) == {"everyday": []}


def test_other_peoples_lanes_are_not_counted(project, ada):
    make_demonstration_task(project, lane="held_out")
    make_demonstration_task(project, lane="training:de")
    assert waiting(ada) == {"everyday": []}
    Membership.objects.filter(user=ada).update(skills=["DE"])
    assert waiting(ada) == {"everyday": [("demonstration", 1)]}
    Membership.objects.filter(user=ada).update(cohort=Cohort.HELD_OUT)
    assert waiting(ada) == {"everyday": [("demonstration", 1)]}


def test_counting_stops_at_a_hundred(project, ada):
    prompt = make_prompt(project)
    Task.objects.bulk_create(Task(project=project, prompt=prompt, kind="ranking") for _ in range(130))
    [work] = work_of(ada, [])
    assert [(one.verb, one.shown) for one in work.open] == [("Rank answers", "100+")]


def test_the_number_of_queries_is_fixed(project, ada, django_assert_num_queries):
    make_instructions(project)
    for slug in ("a", "b"):
        other = make_project(slug, name=slug)
        Membership.objects.create(user=ada, project=other, role=Role.LABELER)
        make_ranking_task(other)
        assignment_claim_next(labeler=ada, project=other)
    with django_assert_num_queries(6):  # progress, projects, memberships, open tasks, instructions, what was begun
        works = work_of(ada, progress_of(ada))
        assert [len(work.in_work) for work in works] == [0, 1, 1]
        [str(assignment.task.prompt) for work in works for assignment in work.in_work]


def test_instructions_are_due_until_confirmed(project, ada):
    make_instructions(project, 3)
    [work] = work_of(ada, [])
    assert (work.reading.newest, work.reading.confirmed, work.reading.is_due) == (3, 0, True)
    instructions_confirm(project=project, labeler=ada, version=3)
    [work] = work_of(ada, [])
    assert (work.reading.confirmed, work.reading.is_due) == (3, False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 min"),
        (20, "under 1 min"),
        (89, "1 min"),
        (3540, "59 min"),
        (3600, "1 h 00 min"),
        (11_100, "3 h 05 min"),
    ],
)
def test_seconds_in_words(seconds, words):
    assert duration(seconds) == words
