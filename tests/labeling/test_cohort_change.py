"""A labeler who changes over to the other cohort gets nothing back of what they had in the one before."""

from __future__ import annotations

import pytest

from labeling.models import Assignment
from labeling.services.assignments import assignment_release
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.offers import task_offer
from people.models import Cohort, Membership
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


def move(labeler, cohort):
    Membership.objects.filter(user=labeler).update(cohort=cohort)


def test_what_was_left_is_not_handed_out_again(project, ada):
    task = make_demonstration_task(project)
    held_out = make_demonstration_task(project, lane="held_out")
    mine = assignment_claim_next(labeler=ada, project=project)
    assert mine.task == task
    assignment_release(assignment_id=mine.pk, labeler=ada)
    move(ada, Cohort.HELD_OUT)
    other = assignment_claim_next(labeler=ada, project=project)
    assert other.task == held_out
    demonstration_submit(assignment_id=other.pk, labeler=ada, key="k", text="An answer.")
    assert assignment_claim_next(labeler=ada, project=project) is None
    move(ada, Cohort.TRAINING)
    assert assignment_claim_next(labeler=ada, project=project) == mine


def test_what_is_in_work_can_be_submitted_but_is_not_given_again(project, ada):
    make_demonstration_task(project)
    mine = assignment_claim_next(labeler=ada, project=project)
    move(ada, Cohort.HELD_OUT)
    assert assignment_claim_next(labeler=ada, project=project) is None
    label, is_new = demonstration_submit(assignment_id=mine.pk, labeler=ada, key="k", text="An answer.")
    assert is_new
    assert label.text == "An answer."


def test_an_offer_waits_for_the_cohort_but_asks_for_no_skill(project, ada):
    task = make_demonstration_task(project, lane="training:law")
    task_offer(task=task, labelers=[ada])
    move(ada, Cohort.HELD_OUT)
    assert assignment_claim_next(labeler=ada, project=project) is None
    assert Assignment.objects.get().state == "offered"
    move(ada, Cohort.TRAINING)
    assert assignment_claim_next(labeler=ada, project=project).task == task
