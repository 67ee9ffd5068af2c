"""Correcting an own label: the new one stands, the old one stays; the window, the key, and who may."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from labeling.models import Assignment, Demonstration, ProjectSetup, Ranking
from labeling.selectors.frozen import frozen_demonstrations
from labeling.services.claims import assignment_claim_next
from labeling.services.corrections import label_correct
from labeling.services.demonstrations import demonstration_submit
from labeling.services.forms import rating_form_add
from labeling.services.instructions import instructions_confirm
from labeling.services.rankings import ranking_submit
from people.models import Membership
from people.refusals import Conflict, Refused
from tests.labeling.work import (
    make_demonstration_task,
    make_instructions,
    make_labeler,
    make_project,
    make_ranking_task,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


@pytest.fixture
def written(project, ada):
    """A submitted demonstration's assignment."""
    make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="first", text="Water it daily.")
    assignment.refresh_from_db()
    return assignment


def correct(assignment, labeler, key="again", **given):
    return label_correct(
        assignment_id=assignment.pk, labeler=labeler, key=key, **(given or {"text": "Water it weekly."})
    )


def texts(assignment) -> list[tuple[str, bool]]:
    """Each demonstration of the assignment in the order given, and whether it stands."""
    rows = Demonstration.objects.filter(assignment=assignment).order_by("created_at")
    return [(row.text, row.superseded_at is None) for row in rows]


def test_the_new_label_stands_and_the_old_one_stays(written, ada):
    label, created = correct(written, ada)
    assert created
    assert texts(written) == [("Water it daily.", False), ("Water it weekly.", True)]
    assert (label.prompt, label.labeler, label.provenance) == (written.task.prompt, ada, "human")
    written.refresh_from_db()
    assert (written.state, written.idempotency_key) == ("submitted", "first")


def test_a_correction_can_be_corrected(written, ada):
    correct(written, ada, "one", text="B")
    correct(written, ada, "two", text="C")
    assert texts(written) == [("Water it daily.", False), ("B", False), ("C", True)]


def test_the_same_key_again_is_the_same_label_also_when_a_later_one_stands(written, ada):
    first, _ = correct(written, ada, "one", text="B")
    correct(written, ada, "two", text="C")
    again, created = correct(written, ada, "one", text="B")
    assert (again, created) == (first, False)
    assert texts(written)[-1] == ("C", True)


def test_repeating_the_first_submit_after_a_correction_answers_with_the_first_label(written, ada):
    correct(written, ada)
    label, created = demonstration_submit(assignment_id=written.pk, labeler=ada, key="first", text="Water it daily.")
    assert (label.text, created) == ("Water it daily.", False)
    assert Demonstration.objects.count() == 2


def test_a_ranking_is_corrected_with_its_ratings(project, ada):
    make_ranking_task(project, ("a", "b"))
    assignment = assignment_claim_next(labeler=ada, project=project)
    one, two = assignment.shown_order
    ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=[[one], [two]], ratings={one: 6})
    correct(assignment, ada, groups=[[two], [one]], ratings={two: 7}, note="Misread.")
    old, new = Ranking.objects.order_by("created_at")
    assert (old.groups, new.groups) == ([[one], [two]], [[two], [one]])
    assert (old.superseded_at is None, new.superseded_at is None) == (False, True)
    assert [(str(r.completion_id), r.overall) for r in old.ratings.all()] == [(one, 6)]
    assert [(str(r.completion_id), r.overall) for r in new.ratings.all()] == [(two, 7)]


def test_what_breaks_the_rule_is_refused_and_the_old_label_stands(written, ada):
    with pytest.raises(Refused, match="The answer is empty"):
        correct(written, ada, text="  ")
    assert texts(written) == [("Water it daily.", True)]


def test_what_says_the_same_is_no_correction(project, written, ada):
    with pytest.raises(Refused, match="Nothing is changed: your label stands as it is"):
        correct(written, ada, text="Water it daily. ")
    assert texts(written) == [("Water it daily.", True)]
    overall = {"name": "overall", "type": "scale", "label": "Overall", "min": 1, "max": 7}
    unclear = {"name": "unclear", "type": "flag", "label": "Unclear"}
    rating_form_add(project=project, fields=[overall], prompt_fields=[unclear])
    make_ranking_task(project, ("a", "b", "c"))
    ranked = assignment_claim_next(labeler=ada, project=project)
    one, two, three = ranked.shown_order
    ProjectSetup.objects.update(strength_levels=2)
    said = {"groups": [[one, two], [three]], "ratings": {one: 6}, "strengths": [1]}
    ranking_submit(assignment_id=ranked.pk, labeler=ada, key="k", **said)
    with pytest.raises(Refused, match="Nothing is changed"):
        correct(ranked, ada, groups=[[two, one], [three]], ratings={one: 6}, strengths=[1])
    for number, changed in enumerate(
        [
            {"note": "Now with a note."},
            {"ratings": {one: 6, two: 1}},
            {"ratings": {}},
            {"strengths": [2]},
            {"prompt_values": {"unclear": True}},
            {"groups": [[one], [two], [three]], "strengths": [1, 1]},
            {"all_bad": True},
        ]
    ):
        said |= changed
        assert correct(ranked, ada, f"c{number}", **said)[1]
    assert Ranking.objects.filter(superseded_at=None).get().all_bad


def test_after_the_window_it_is_one_sentence(written, ada):
    Assignment.objects.filter(pk=written.pk).update(submitted_at=timezone.now() - timedelta(hours=24, seconds=1))
    with pytest.raises(Conflict, match="can be corrected for 24 hours after it was submitted; that time is over"):
        correct(written, ada)
    Assignment.objects.filter(pk=written.pk).update(submitted_at=timezone.now() - timedelta(hours=23, minutes=59))
    correct(written, ada)


def test_a_project_may_allow_no_corrections(project, written, ada):
    ProjectSetup.objects.update(edit_window_hours=0)
    with pytest.raises(Conflict, match="Labels of this project are not corrected afterwards"):
        correct(written, ada)


def test_a_repeat_after_the_window_is_still_answered(written, ada):
    first, _ = correct(written, ada)
    Assignment.objects.filter(pk=written.pk).update(submitted_at=timezone.now() - timedelta(days=9))
    assert correct(written, ada) == (first, False)


def test_who_may_not(project, written, ada):
    bob = make_labeler(project, "bob")
    with pytest.raises(Refused, match="There is no such assignment"):
        correct(written, bob)
    with pytest.raises(Refused, match="There is no such assignment"):
        label_correct(assignment_id=uuid4(), labeler=ada, key="k", text="x")
    Membership.objects.filter(user=ada).delete()
    with pytest.raises(Refused, match="You do not label in the project"):
        correct(written, ada)


def test_nothing_to_correct_yet_and_keys_that_are_none(project, ada, written):
    make_demonstration_task(project)
    open_one = assignment_claim_next(labeler=ada, project=project)
    with pytest.raises(Conflict, match="has no label of yours yet"):
        correct(open_one, ada)
    with pytest.raises(Refused, match="needs an idempotency key"):
        correct(written, ada, "")
    with pytest.raises(Refused, match="a key of its own"):
        correct(written, ada, "first")


def test_it_is_given_under_the_instructions_that_its_labeler_has_read_by_now(project, ada):
    make_instructions(project, 1)
    make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="first", text="A")
    make_instructions(project, 2)
    unread, _ = correct(assignment, ada, "one", text="B")
    instructions_confirm(project=project, labeler=ada, version=2)
    read, _ = correct(assignment, ada, "two", text="C")
    assert (unread.instructions_version, read.instructions_version) == (1, 2)


def test_only_the_label_that_stands_is_frozen(project, written, ada):
    correct(written, ada)
    frozen = list(frozen_demonstrations(project, lambda key: key))
    assert [row.completion for row in frozen] == ["Water it weekly."]
