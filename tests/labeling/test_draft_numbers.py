"""Drafts from two tabs: nobody overwrites what they have not seen, and earlier drafts stay as revisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment, DraftRevision
from labeling.services.claims import assignment_claim_next
from labeling.services.drafts import REVISION_STEP, REVISIONS_KEPT, DraftMoved, assignment_save_draft, drafts_forget
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return make_labeler(make_project())


@pytest.fixture
def assignment(ada):
    project = ada.memberships.get().project
    make_demonstration_task(project)
    return assignment_claim_next(labeler=ada, project=project)


@pytest.fixture
def save(assignment, ada):
    def run(text: str, seen: int | None = None, **measured) -> int:
        saved = assignment_save_draft(
            assignment_id=assignment.pk, labeler=ada, draft={"text": text, **measured}, seen=seen
        )
        return saved.draft_number

    return run


def kept() -> list[tuple[int, str]]:
    return [(r.number, r.draft["text"]) for r in DraftRevision.objects.order_by("number")]


def later(seconds: int) -> None:
    """Let the revisions grow older."""
    for revision in DraftRevision.objects.all():
        DraftRevision.objects.filter(pk=revision.pk).update(saved_at=revision.saved_at - timedelta(seconds=seconds))


def test_each_new_draft_has_the_next_number_and_the_same_one_keeps_its_own(save):
    assert [save("a", 0), save("b", 1), save("b", 2), save("b", 1), save("c", 2)] == [1, 2, 2, 2, 3]


def test_who_has_not_seen_the_newest_draft_is_told_and_nothing_is_overwritten(save):
    save("from the first tab", 0)
    with pytest.raises(DraftMoved) as refusal:
        save("from the second tab", 0)
    newest = refusal.value.assignment
    assert (newest.draft, newest.draft_number) == ({"text": "from the first tab"}, 1)
    assert Assignment.objects.get().draft == {"text": "from the first tab"}
    assert save("both", 1) == 2


def test_without_a_number_the_newer_draft_wins_and_the_older_one_stays_a_revision(save):
    save("first", 0)
    save("robot")
    assert Assignment.objects.get().draft == {"text": "robot"}
    assert kept() == [(1, "first"), (2, "robot")]


def test_typing_is_one_revision_every_so_often(save):
    save("T", 0)
    save("Ty", 1)
    save("Typ", 2)
    later(int(REVISION_STEP.total_seconds()))
    save("Type", 3)
    save("Typed", 4)
    assert kept() == [(3, "Typ"), (5, "Typed")]


def test_deleting_most_of_it_never_takes_the_place_of_what_was_there(save):
    save("A long answer with many words in it, typed in one go.", 0)
    save("", 1)
    assert [text for _, text in kept()] == ["A long answer with many words in it, typed in one go.", ""]


def test_the_newest_fifty_are_kept(save):
    for number in range(REVISIONS_KEPT + 3):
        save(f"draft {number + 1}")
    numbers = [number for number, _ in kept()]
    assert numbers == list(range(4, REVISIONS_KEPT + 4))


def test_time_and_counts_never_fall(save, assignment):
    Assignment.objects.update(claimed_at=timezone.now() - timedelta(minutes=5))
    save("a", 0, focus_seconds=40, signals={"pasted": 10, "typed": 5})
    save("ab", 1, focus_seconds=12, signals={"pasted": 3, "typed": 9})
    assignment.refresh_from_db()
    assert (assignment.focus_seconds, assignment.signals) == (40, {"pasted": 10, "typed": 9})
    save("abc", 2, focus_seconds=10**9)
    assignment.refresh_from_db()
    assert 300 <= assignment.focus_seconds < 360
    assert assignment.draft == {"text": "abc"}


@pytest.mark.parametrize(
    "measured", [{"focus_seconds": "x"}, {"signals": ["x"]}, {"signals": {"pasted": -1, "no": 3}}]
)
def test_what_is_no_measure_counts_nothing_and_loses_nothing(save, assignment, measured):
    save("kept", 0, **measured)
    assignment.refresh_from_db()
    assert (assignment.draft, assignment.focus_seconds, assignment.signals) == ({"text": "kept"}, 0, {})


def test_the_history_is_forgotten_weeks_after_the_label(save, assignment):
    save("one")
    save("two")
    assert drafts_forget() == 0
    Assignment.objects.update(state="submitted", submitted_at=timezone.now() - timedelta(days=27))
    assert drafts_forget() == 0
    Assignment.objects.update(submitted_at=timezone.now() - timedelta(days=29))
    assert (drafts_forget(), DraftRevision.objects.count()) == (2, 0)
