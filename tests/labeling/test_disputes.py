"""More labels where people disagree, within a bound."""

from __future__ import annotations

import pytest

from labeling.models import Assignment, ProjectSetup, Ranking
from labeling.services.assignments import assignment_release
from labeling.services.claims import assignment_claim_next
from labeling.services.corrections import label_correct
from labeling.services.rankings import ranking_submit
from people.models import Project
from tests.labeling.work import completion_ids, make_labeler, make_project, make_ranking_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    made = make_project()
    ProjectSetup.objects.update(overlap=2, max_labels=4, agreement_floor=60)
    return Project.objects.get(pk=made.pk)


@pytest.fixture
def people(project):
    return [make_labeler(project, f"labeler{number}") for number in range(7)]


def rank(person, project, groups):
    assignment = assignment_claim_next(labeler=person, project=project)
    assert assignment is not None
    ranking_submit(assignment_id=assignment.pk, labeler=person, key="k", groups=groups)
    return assignment


def test_agreement_asks_for_no_more(project, people):
    task = make_ranking_task(project, overlap=2)
    a, b, c = completion_ids(task)
    rank(people[0], project, [[a], [b], [c]])
    rank(people[1], project, [[a], [c], [b]])  # 2 of 3 pairs alike: above 60 percent
    task.refresh_from_db()
    assert (task.wanted, task.taken) == (None, 2)
    assert assignment_claim_next(labeler=people[2], project=project) is None


def test_a_dispute_asks_for_one_more_until_the_bound(project, people):
    task = make_ranking_task(project, overlap=2)
    a, b, c = completion_ids(task)
    up, down = [[a], [b], [c]], [[c], [b], [a]]
    seen = []
    for person, groups in zip(people, [up, down, up, down], strict=False):
        rank(person, project, groups)
        task.refresh_from_db()
        seen.append((task.wanted, task.taken))
    # 0 % of two; then (1 + 0 + 0) / 3 of three; four is the bound although they still disagree.
    assert seen == [(None, 1), (3, 2), (4, 3), (4, 4)]
    assert assignment_claim_next(labeler=people[4], project=project) is None


def test_a_third_that_settles_it_ends_it(project, people):
    ProjectSetup.objects.update(agreement_floor=30)
    project = Project.objects.get(pk=project.pk)
    task = make_ranking_task(project, overlap=2)
    a, b, c = completion_ids(task)
    for person, groups in zip(people, ([[a], [b], [c]], [[c], [b], [a]], [[a], [b], [c]]), strict=False):
        rank(person, project, groups)
    task.refresh_from_db()
    assert (task.wanted, task.taken) == (3, 3)  # mean 1/3 is above .30


def test_a_correction_that_disagrees_asks_for_one_more(project, people):
    task = make_ranking_task(project, overlap=2)
    a, b, c = completion_ids(task)
    rank(people[0], project, [[a], [b], [c]])
    second = rank(people[1], project, [[a], [b], [c]])
    task.refresh_from_db()
    assert task.wanted is None
    label_correct(assignment_id=second.pk, labeler=people[1], key="again", groups=[[c], [b], [a]])
    task.refresh_from_db()
    assert (task.wanted, task.taken) == (3, 2)
    # Agreeing after all takes no slot back: somebody may be at it already.
    label_correct(assignment_id=second.pk, labeler=people[1], key="once more", groups=[[a], [b], [c]])
    task.refresh_from_db()
    assert (task.wanted, task.taken) == (3, 2)
    assert assignment_claim_next(labeler=people[2], project=project).task == task


def test_it_is_off_unless_the_project_asks(project, people):
    ProjectSetup.objects.update(max_labels=0)
    project = Project.objects.get(pk=project.pk)
    task = make_ranking_task(project, overlap=2)
    a, b, c = completion_ids(task)
    rank(people[0], project, [[a], [b], [c]])
    rank(people[1], project, [[c], [b], [a]])
    task.refresh_from_db()
    assert task.wanted is None


def test_late_labels_count_but_never_pass_the_bound(project, people):
    task = make_ranking_task(project, overlap=2)
    a, b, c = completion_ids(task)
    up, down = [[a], [b], [c]], [[c], [b], [a]]
    late = [assignment_claim_next(labeler=person, project=project) for person in people[:2]]
    for assignment, person in zip(late, people, strict=False):
        assignment_release(assignment_id=assignment.pk, labeler=person)
    for person, groups in zip(people[2:6], [up, down, up, down], strict=False):
        rank(person, project, groups)
    for assignment, person in zip(late, people, strict=False):
        ranking_submit(assignment_id=assignment.pk, labeler=person, key="k", groups=down)
    task.refresh_from_db()
    assert (task.wanted, task.taken, Ranking.objects.count()) == (4, 4, 6)
    assert Assignment.objects.filter(is_extra=True).count() == 2
