"""A labeler's own labels found again, page by page and by what they say; what belongs to one of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment
from labeling.selectors import history
from labeling.selectors.history import Wanted, label_given, labels_of
from labeling.selectors.reviews import ReviewWanted, labels_to_review
from labeling.services.claims import assignment_claim_next
from labeling.services.corrections import label_correct
from labeling.services.demonstrations import demonstration_submit
from labeling.services.feedback import feedback_give
from labeling.services.forms import rating_form_add
from labeling.services.rankings import ranking_submit
from people.models import Role
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_prompt, make_ranking_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


def write(project, labeler, prompt="How?", text="So.", at=None):
    """A demonstration submitted by the labeler at a time; its assignment."""
    make_demonstration_task(project, prompt=make_prompt(project, prompt))
    assignment = assignment_claim_next(labeler=labeler, project=project, kind="demonstration")
    demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key="k", text=text)
    if at is not None:
        Assignment.objects.filter(pk=assignment.pk).update(submitted_at=at)
    assignment.refresh_from_db()
    return assignment


def rank(project, labeler, prompt="Which?", note="", **given):
    make_ranking_task(project, ("a", "b", "c"), prompt=make_prompt(project, prompt))
    assignment = assignment_claim_next(labeler=labeler, project=project, kind="ranking")
    groups = given.pop("groups", None) or [[i] for i in assignment.shown_order]
    ranking_submit(
        assignment_id=assignment.pk, labeler=labeler, key="k", groups=groups, ratings={}, note=note, **given
    )
    assignment.refresh_from_db()
    return assignment


def found(labeler, **wanted):
    return {entry.pk for entry in labels_of(labeler, Wanted(**wanted)).entries}


def test_newest_first_twenty_at_a_time_each_once(project, ada):
    start = timezone.now()
    # Several share an instant, on both sides of the page's end.
    all_of_them = [write(project, ada, at=start - timedelta(minutes=n // 4)) for n in range(45)]
    seen, cursor, sizes = [], "", []
    while True:
        page = labels_of(ada, Wanted(), cursor)
        seen += page.entries
        sizes.append(len(page.entries))
        cursor = page.older
        if not cursor:
            break
    assert sizes == [20, 20, 5]
    assert [entry.submitted_at for entry in seen] == sorted((a.submitted_at for a in all_of_them), reverse=True)
    assert {entry.pk for entry in seen} == {a.pk for a in all_of_them}


def test_only_what_one_submitted_oneself(project, ada):
    mine = write(project, ada)
    write(project, make_labeler(project, "bob"))
    make_demonstration_task(project)
    assignment_claim_next(labeler=ada, project=project)
    assert found(ada) == {mine.pk}


def test_a_text_is_found_in_prompts_answers_and_notes_whatever_its_case(project, ada):
    basil = write(project, ada, prompt="How do I keep Basil alive?", text="Water it.")
    light = write(project, ada, prompt="And mint?", text="It needs LIGHT.")
    note = rank(project, ada, note="B is a basilisk.")
    assert found(ada, text="basil") == {basil.pk, note.pk}
    assert found(ada, text="light") == {light.pk}
    assert found(ada, text="nothing of it") == set()
    # The names of JSON's own keys and roles are no text.
    assert found(ada, text="content") == found(ada, text="role") == found(ada, text="user") == set()


@pytest.mark.parametrize("text", ['say "hi"', "50% off", "under_score", "back\\slash", "two\nlines", "שלום", "🌿"])
def test_signs_of_every_kind_are_found_as_they_stand(project, ada, text):
    in_prompt = write(project, ada, prompt=f"Please {text} now")
    in_answer = write(project, ada, text=f"Well {text} then")
    write(project, ada, prompt="50 dollars off", text="underXscore says hi")
    assert found(ada, text=text) == {in_prompt.pk, in_answer.pk}


def test_what_was_corrected_is_found_by_what_stands(project, ada):
    assignment = write(project, ada, text="Water it daily.")
    label_correct(assignment_id=assignment.pk, labeler=ada, key="c", text="Water it weekly.")
    assert (found(ada, text="weekly"), found(ada, text="daily")) == ({assignment.pk}, set())


def test_kind_project_and_whole_days(project, ada):
    other = make_project("other", name="Other")
    other.memberships.create(user=ada, role=Role.LABELER)
    noon = timezone.make_aware(datetime(2026, 3, 2, 12))
    monday = write(project, ada, at=noon)
    late = write(project, ada, at=timezone.make_aware(datetime(2026, 3, 2, 23, 59)))
    tuesday = write(other, ada, at=noon + timedelta(days=1))
    ranking = rank(project, ada)
    assert found(ada, kind="ranking") == {ranking.pk}
    assert found(ada, project="other") == {tuesday.pk}
    day = date(2026, 3, 2)
    assert found(ada, since=day, until=day) == {monday.pk, late.pk}
    assert found(ada, since=date(2026, 3, 3), until=date(2026, 3, 3)) == {tuesday.pk}


@pytest.mark.parametrize("cursor", ["x", "2026-01-01~x", "~", "2026-01-01T00:00:00~" + "0" * 32, "\x00"])
def test_a_cursor_that_is_none_is_the_first_page(project, ada, cursor):
    entry = write(project, ada)
    assert labels_of(ada, Wanted(), cursor).entries == [entry]


def test_a_page_takes_a_fixed_number_of_queries(project, ada, django_assert_num_queries):
    for _ in range(3):
        write(project, ada)
    for wanted, queries in ((Wanted(), 1), (Wanted(text="how"), 2)):
        with django_assert_num_queries(queries):
            page = labels_of(ada, wanted)
            assert [f"{one.task.prompt} {one.task.project.name}" for one in page.entries] == [
                "How? Everyday assistant"
            ] * 3


def test_a_search_looks_at_so_many_labels_and_goes_on_from_there(project, ada, monkeypatch):
    monkeypatch.setattr(history, "LOOK", 3)
    now = timezone.now()
    basil = write(project, ada, prompt="Basil?", at=now - timedelta(days=5))
    same_instant = now - timedelta(days=1)
    for _ in range(4):
        write(project, ada, prompt="Mint?", at=same_instant)
    first = labels_of(ada, Wanted(text="basil"))
    assert (first.entries, first.is_cut) == ([], True)
    second = labels_of(ada, Wanted(text="basil"), first.older)
    assert (second.entries, second.older, second.is_cut) == ([basil], "", False)
    # Nothing falls between two looks, though all have one instant.
    mint, cursor = [], ""
    while True:
        page = labels_of(ada, Wanted(text="mint"), cursor)
        mint += page.entries
        if not (cursor := page.older):
            break
    assert len({entry.pk for entry in mint}) == len(mint) == 4


def test_a_ranking_is_shown_by_rank_with_all_that_was_said(project, ada):
    rating_form_add(
        project=project,
        fields=[
            {"name": "overall", "label": "Overall quality", "type": "scale", "min": 1, "max": 7},
            {"name": "harmful", "label": "Gives harmful advice", "type": "flag"},
        ],
        prompt_fields=[{"name": "topic", "label": "Topic", "type": "text"}],
    )
    make_ranking_task(project, ("a", "b", "c"))
    assignment = assignment_claim_next(labeler=ada, project=project)
    one, two, three = assignment.shown_order
    ranking_submit(
        assignment_id=assignment.pk,
        labeler=ada,
        key="k",
        groups=[[three], [one, two]],
        ratings={three: {"overall": 7, "harmful": False}, one: {"harmful": True}},
        prompt_values={"topic": "Herbs"},
    )
    given = label_given(assignment)
    assert [(a.letter, a.rank, a.overall, a.said) for a in given.answers] == [
        ("C", 1, 7, [("Gives harmful advice", "no")]),
        ("A", 2, None, [("Gives harmful advice", "yes")]),
        ("B", 2, None, []),
    ]
    assert given.said_of_prompt == [("Topic", "Herbs")]
    label_correct(assignment_id=assignment.pk, labeler=ada, key="c", groups=[[one], [two], [three]], ratings={})
    assert [one.order for one in label_given(assignment).earlier] == ["C > A = B"]


def test_reviewers_look_through_a_projects_labels(project, ada, django_assert_num_queries):
    mia = make_labeler(project, "mia", role=Role.REVIEWER)
    bob = make_labeler(project, "bob")
    first, second, third = write(project, ada), write(project, bob, prompt="Basil?"), rank(project, ada)
    feedback_give(assignment_id=first.pk, reviewer=mia, grade=5)

    def shown(**wanted):
        own = {name: wanted.pop(name) for name in ("labeler", "feedback") if name in wanted}
        return [
            (e.pk, e.has_feedback) for e in labels_to_review(project, ReviewWanted(Wanted(**wanted), **own)).entries
        ]

    assert shown() == [(third.pk, False), (second.pk, False), (first.pk, True)]
    assert shown(labeler="bob") == shown(text="basil") == [(second.pk, False)]
    assert shown(feedback="some") == [(first.pk, True)]
    assert shown(feedback="none", kind="demonstration") == [(second.pk, False)]
    with django_assert_num_queries(1):
        shown()
