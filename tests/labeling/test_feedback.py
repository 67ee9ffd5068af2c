"""Feedback on labels: what reviewers may say, to whom, and what its labeler has not seen yet."""

from __future__ import annotations

import pytest

from labeling.models import Feedback
from labeling.selectors.history import feedback_on, feedback_unread
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.feedback import feedback_give, feedback_mark_seen
from labeling.services.rankings import ranking_submit
from people.models import Role
from people.refusals import Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_ranking_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


@pytest.fixture
def mia(project):
    return make_labeler(project, "mia", role=Role.REVIEWER)


@pytest.fixture
def written(project, ada):
    make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="A.")
    return assignment


def test_a_grade_and_words_reach_the_labeler_until_seen(written, ada, mia):
    given, created = feedback_give(assignment_id=written.pk, reviewer=mia, grade=6, text=" Clear. ")
    assert (created, given.grade, given.text) == (True, 6, "Clear.")
    assert feedback_unread(ada) == [given]
    assert feedback_mark_seen(assignment=written, labeler=mia) == 0  # it is not hers to see
    assert feedback_mark_seen(assignment=written, labeler=ada) == 1
    assert feedback_unread(ada) == []
    assert feedback_on(written) == [given]


def test_the_same_twice_is_once_but_something_else_is_added(written, mia):
    feedback_give(assignment_id=written.pk, reviewer=mia, grade=6, text="Clear.")
    assert feedback_give(assignment_id=written.pk, reviewer=mia, grade=6, text="Clear.")[1] is False
    assert feedback_give(assignment_id=written.pk, reviewer=mia, grade=5, text="Clear.")[1] is True
    assert Feedback.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Give a grade, a few words, or both."),
        ({"text": " \n "}, "Give a grade, a few words, or both."),
        ({"grade": 0}, "A grade is a whole number from 1 to 7, not 0."),
        ({"grade": 8}, "A grade is a whole number from 1 to 7, not 8."),
        ({"text": "x" * 5001}, "The feedback is 5,001 characters long; keep it to 5,000."),
    ],
)
def test_what_is_no_feedback(written, mia, given, sentence):
    with pytest.raises(Refused) as refused:
        feedback_give(assignment_id=written.pk, reviewer=mia, **given)
    assert str(refused.value) == sentence
    assert Feedback.objects.count() == 0


def test_a_ranking_gets_words_but_no_grade(project, ada, mia):
    make_ranking_task(project, ("a", "b"))
    assignment = assignment_claim_next(labeler=ada, project=project)
    groups = [[i] for i in assignment.shown_order]
    ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=groups, ratings={})
    with pytest.raises(Refused, match="A grade is for a written answer"):
        feedback_give(assignment_id=assignment.pk, reviewer=mia, grade=5)
    assert feedback_give(assignment_id=assignment.pk, reviewer=mia, text="Read B again.")[1]


def test_who_may_give_it_and_on_what(project, written, ada, mia):
    with pytest.raises(Refused, match="There is no such label"):
        feedback_give(assignment_id=written.pk, reviewer=make_labeler(project, "bob"), grade=5)
    stranger = make_labeler(make_project("other"), "sam", role=Role.MANAGER)
    with pytest.raises(Refused, match="There is no such label"):
        feedback_give(assignment_id=written.pk, reviewer=stranger, grade=5)
    make_demonstration_task(project)
    open_one = assignment_claim_next(labeler=ada, project=project)
    with pytest.raises(Refused, match="has no label"):
        feedback_give(assignment_id=open_one.pk, reviewer=mia, grade=5)
    own = assignment_claim_next(labeler=mia, project=project)
    assert own is None
    make_demonstration_task(project)
    own = assignment_claim_next(labeler=mia, project=project)
    demonstration_submit(assignment_id=own.pk, labeler=mia, key="k", text="Mine.")
    with pytest.raises(Refused, match="This label is your own"):
        feedback_give(assignment_id=own.pk, reviewer=mia, grade=7)


def test_text_that_the_database_cannot_hold_is_kept_with_a_mark(written, mia):
    given, _ = feedback_give(assignment_id=written.pk, reviewer=mia, text="nul \x00 here")
    given.refresh_from_db()
    assert given.text == "nul \ufffd here"
