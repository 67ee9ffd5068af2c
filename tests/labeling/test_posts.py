"""Questions on a task: who reads what, what waits, and what is settled. Announcements."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Announcement, Post
from labeling.selectors.progress import announcements_for
from labeling.selectors.talk import (
    answers_unread,
    posts_for,
    questions_open,
    questions_open_count,
    questions_settled,
    threads_of,
)
from labeling.services.announcements import announcement_add, announcement_end
from labeling.services.claims import assignment_claim_next
from labeling.services.posts import answer_give, answers_mark_seen, question_ask, questions_settle
from people.models import Membership, Role
from people.refusals import Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def task(project):
    return make_demonstration_task(project, overlap=2)


@pytest.fixture
def mia(project):
    return make_labeler(project, "mia", role=Role.MANAGER)


def hold(project, name):
    """A labeler with an assignment of the project's next task."""
    labeler = make_labeler(project, name)
    return labeler, assignment_claim_next(labeler=labeler, project=project)


def words(posts) -> list[str]:
    return [post.text for post in posts]


def test_an_answer_goes_to_the_asker_alone_or_to_all(project, task, mia):
    ada, of_ada = hold(project, "ada")
    bob, of_bob = hold(project, "bob")
    question_ask(assignment=of_ada, labeler=ada, text="May I name a brand?")
    question_ask(assignment=of_bob, labeler=bob, text="How long?")
    answer_give(task=task, author=mia, asker=ada, text="No.")
    answer_give(task=task, author=mia, asker=bob, text="Short.", to_all=True)
    answer_give(task=task, author=mia, text="Stay friendly.", to_all=True)
    assert words(posts_for(ada, task)) == ["May I name a brand?", "No.", "Short.", "Stay friendly."]
    assert words(posts_for(bob, task)) == ["How long?", "Short.", "Stay friendly."]
    assert [(t.asker and t.asker.username, words(t.posts)) for t in threads_of(task)] == [
        ("ada", ["May I name a brand?", "No."]),
        ("bob", ["How long?", "Short."]),
        (None, ["Stay friendly."]),
    ]


def test_other_labelers_are_not_told_who_asked(project, task, mia):
    ada, of_ada = hold(project, "ada")
    bob, of_bob = hold(project, "bob")
    question_ask(assignment=of_ada, labeler=ada, text="May I name a brand?")
    answer_give(task=task, author=mia, asker=ada, text="No.", to_all=True)

    def said(person, path) -> list[tuple[str, str, str | None]]:
        api = APIClient()
        api.force_authenticate(person)
        return [(post["author"], post["text"], post["asked_by"]) for post in api.get(f"/api/v1/{path}").json()]

    thread = [("ada", "May I name a brand?", "ada"), ("mia", "No.", "ada")]
    assert said(ada, f"assignments/{of_ada.pk}/posts/") == thread
    assert said(bob, f"assignments/{of_bob.pk}/posts/") == [("mia", "No.", None)]
    assert said(mia, f"tasks/{task.pk}/posts/") == thread
    pages = Client()
    pages.force_login(bob)
    page = pages.get(f"/label/a/{of_bob.pk}/talk/").content.decode()
    assert "No." in page
    assert "ada" not in page


def test_a_question_waits_until_it_is_answered_or_settled(project, task, mia):
    ada, of_ada = hold(project, "ada")
    bob, of_bob = hold(project, "bob")
    question_ask(assignment=of_ada, labeler=ada, text="One?")
    question_ask(assignment=of_bob, labeler=bob, text="Two?")
    question_ask(assignment=of_ada, labeler=ada, text="Three?")
    assert words(questions_open(project)) == ["One?", "Two?", "Three?"]
    assert questions_open_count(mia) == {"everyday": 3}
    answer_give(task=task, author=mia, asker=ada, text="Both.")
    assert words(questions_open(project)) == ["Two?"]
    assert questions_settle(task=task, asker=bob, by=mia) == 1
    assert questions_settle(task=task, asker=bob, by=mia) == 0
    assert list(questions_open(project)) == []
    assert words(questions_settled(project)) == ["Three?", "Two?", "One?"]
    question_ask(assignment=of_ada, labeler=ada, text="And now?")
    assert words(questions_open(project)) == ["And now?"]
    assert [t.is_open for t in threads_of(task)] == [True, False]


def test_an_answer_is_new_to_its_asker_until_seen(project, task, mia):
    ada, of_ada = hold(project, "ada")
    question_ask(assignment=of_ada, labeler=ada, text="One?")
    answer, _ = answer_give(task=task, author=mia, asker=ada, text="Yes.")
    assert [(post.pk, post.assignment_id) for post in answers_unread(ada)] == [(answer.pk, of_ada.pk)]
    assert answers_mark_seen(task=task, labeler=mia) == 0
    assert answers_mark_seen(task=task, labeler=ada) == 1
    assert answers_unread(ada) == []


def test_a_double_click_asks_once(project, task):
    ada, of_ada = hold(project, "ada")
    first, _ = question_ask(assignment=of_ada, labeler=ada, text="One?")
    assert question_ask(assignment=of_ada, labeler=ada, text=" One?\r\n") == (first, False)
    assert Post.objects.count() == 1


def test_who_may_ask_and_answer(project, task, mia):
    ada, of_ada = hold(project, "ada")
    bob = make_labeler(project, "bob")
    with pytest.raises(Refused, match="There is no such assignment"):
        question_ask(assignment=of_ada, labeler=bob, text="Mine?")
    with pytest.raises(Refused, match="Only reviewers and managers answer"):
        answer_give(task=task, author=bob, text="Me.", to_all=True)
    with pytest.raises(Refused, match="This person has asked nothing"):
        answer_give(task=task, author=mia, asker=ada, text="You.")
    with pytest.raises(Refused, match="Say whom it is for"):
        answer_give(task=task, author=mia, text="You.")
    with pytest.raises(Refused, match="Only reviewers and managers settle"):
        questions_settle(task=task, asker=ada, by=bob)
    Membership.objects.filter(user=ada).delete()
    with pytest.raises(Refused, match="There is no such assignment"):
        question_ask(assignment=of_ada, labeler=ada, text="Still?")
    assert Post.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" \n", "The question is empty; write it first."),
        ("\u200b", "The question is empty; write it first."),
        ("x" * 5001, "The question is 5,001 characters long; keep it to 5,000."),
    ],
)
def test_what_is_no_question(project, task, text, sentence):
    ada, of_ada = hold(project, "ada")
    with pytest.raises(Refused) as refused:
        question_ask(assignment=of_ada, labeler=ada, text=text)
    assert str(refused.value) == sentence


def test_what_was_settled_is_asked_anew(project, task):
    ada, of_ada = hold(project, "ada")
    mia = make_labeler(project, "mia", role=Role.MANAGER)
    first, _ = question_ask(assignment=of_ada, labeler=ada, text="Is this right?")
    assert question_ask(assignment=of_ada, labeler=ada, text="Is this right?") == (first, False)
    assert questions_settle(task=task, asker=ada, by=mia) == 1
    again, is_new = question_ask(assignment=of_ada, labeler=ada, text="Is this right?")
    assert is_new
    assert again.settled_at is None


def test_an_announcement_is_shown_until_it_ends(project, mia):
    lasting, _ = announcement_add(project=project, author=mia, text="Welcome.")
    soon, _ = announcement_add(
        project=project, author=mia, text="Closed tonight.", ends_at=timezone.now() + timedelta(hours=1)
    )
    assert announcements_for([project]) == [soon, lasting]
    assert announcements_for([make_project("other")]) == []
    Announcement.objects.filter(pk=soon.pk).update(ends_at=timezone.now() - timedelta(seconds=1))
    assert announcements_for([project]) == [lasting]
    ended = announcement_end(announcement=lasting, by=mia).ends_at
    assert announcements_for([project]) == []
    assert announcement_end(announcement=lasting, by=mia).ends_at == ended


def test_who_may_announce_and_what(project, mia):
    with pytest.raises(Refused, match="Only managers announce"):
        announcement_add(project=project, author=make_labeler(project, "rex", role=Role.REVIEWER), text="Hello.")
    with pytest.raises(Refused, match="The announcement is empty"):
        announcement_add(project=project, author=mia, text=" ")
    with pytest.raises(Refused, match="lies in the future"):
        announcement_add(project=project, author=mia, text="Late.", ends_at=timezone.now())
    announcement_add(project=project, author=mia, text="Hello.")
    assert announcement_add(project=project, author=mia, text="Hello.")[1] is False
    assert Announcement.objects.count() == 1
