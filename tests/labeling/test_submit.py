"""Submitting: one label a labeler and task, whatever is clicked twice, replayed or late."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment, Demonstration, Ranking, Rating, Task
from labeling.services.assignments import leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.rankings import ranking_submit
from labeling.services.skips import assignment_skip
from people.models import Membership
from people.refusals import Conflict, Refused
from tests.labeling.threads import together
from tests.labeling.work import (
    completion_ids,
    make_demonstration_task,
    make_instructions,
    make_labeler,
    make_project,
    make_ranking_task,
    open_slots,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project, "ada")


@pytest.fixture
def bob(project):
    return make_labeler(project, "bob")


def claim(labeler) -> Assignment:
    return assignment_claim_next(labeler=labeler, project=labeler.memberships.get().project)


def rank(assignment, labeler, groups, *, key="key-1", ratings=None, note=""):
    return ranking_submit(
        assignment_id=assignment.pk, labeler=labeler, key=key, groups=groups, ratings=ratings or {}, note=note
    )


def write(assignment, labeler, text="An answer.", *, key="key-1"):
    return demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key=key, text=text)


def end_lease(assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert leases_expire() == 1


def test_a_ranking_with_a_tie_is_kept_as_given(project, ada):
    make_instructions(project, version=3)
    task = make_ranking_task(project, ("a", "b", "c"))
    a, b, c = completion_ids(task)
    assignment = claim(ada)
    ranking, created = rank(assignment, ada, [[b], [c, a]], ratings={a: 2, b: 7}, note=" close call ")
    assert created
    row = Ranking.objects.get()
    assert row == ranking
    assert row.groups == [[b], [c, a]]
    assert (row.prompt, row.labeler, row.provenance) == (task.prompt, ada, "human")
    assert (row.instructions_version, row.note, row.assignment) == (3, "close call", assignment)
    assert {(str(r.completion_id), r.overall) for r in Rating.objects.filter(ranking=row)} == {(a, 2), (b, 7)}
    assignment.refresh_from_db()
    assert assignment.state == "submitted"
    assert assignment.submitted_at >= assignment.claimed_at
    assert assignment.is_extra is False
    assert open_slots(task) == 0


def test_a_demonstration_is_kept_without_the_white_space_around_it(project, ada):
    task = make_demonstration_task(project)
    assignment = claim(ada)
    demonstration, created = write(assignment, ada, "\r\n First line\r\nsecond  line \n\n")
    assert created
    row = Demonstration.objects.get()
    assert row == demonstration
    assert row.text == "First line\nsecond  line"
    assert (row.prompt, row.labeler, row.provenance, row.assignment) == (task.prompt, ada, "human", assignment)
    assert open_slots(task) == 0


def test_labels_of_simulated_labelers_say_so(project):
    robot = make_labeler(project, "robot", is_simulated=True)
    make_demonstration_task(project)
    assert write(claim(robot), robot)[0].provenance == "simulated"
    task = make_ranking_task(project)
    assert rank(claim(robot), robot, [completion_ids(task)])[0].provenance == "simulated"


def test_the_same_key_again_gives_the_first_answer(project, ada):
    task = make_ranking_task(project, ("a", "b"))
    a, b = completion_ids(task)
    assignment = claim(ada)
    first, created = rank(assignment, ada, [[a], [b]])
    again, created_again = rank(assignment, ada, [[b], [a]], ratings={a: 1})
    assert (created, created_again) == (True, False)
    assert again == first
    assert again.groups == [[a], [b]]
    assert Rating.objects.count() == 0


def test_another_key_after_the_label_is_a_conflict(project, ada):
    make_demonstration_task(project)
    assignment = claim(ada)
    write(assignment, ada, "first", key="tab-1")
    with pytest.raises(Conflict, match="You have submitted this task already"):
        write(assignment, ada, "second", key="tab-2")
    assert [d.text for d in Demonstration.objects.all()] == ["first"]


@pytest.mark.parametrize(
    ("pick", "sentence"),
    [
        (lambda a, b, c, x: [[a], [b]], "1 of 3 answers is not ranked yet"),
        (lambda a, b, c, x: [[a], [b], [c], [a]], "twice"),
        (lambda a, b, c, x: [[a], [b], [c], []], "Rank 4 is empty"),
        (lambda a, b, c, x: [[a], [b], [x]], "which is no answer of this task"),
    ],
)
def test_a_broken_ranking_changes_nothing(project, ada, pick, sentence):
    make_ranking_task(project, ("other", "task"), priority=-1)
    task = make_ranking_task(project, ("a", "b", "c"))
    foreign = completion_ids(Task.objects.exclude(pk=task.pk).get())[0]
    assignment = claim(ada)
    with pytest.raises(Refused, match=sentence):
        rank(assignment, ada, pick(*completion_ids(task), foreign))
    assignment.refresh_from_db()
    assert assignment.state == "leased"
    assert Ranking.objects.count() == 0


def test_a_rating_out_of_range_changes_nothing(project, ada):
    task = make_ranking_task(project, ("a", "b"))
    a, b = completion_ids(task)
    with pytest.raises(Refused, match="from 1 to 7, not 8"):
        rank(claim(ada), ada, [[a], [b]], ratings={a: 8})
    assert Ranking.objects.count() == 0


@pytest.mark.parametrize(("text", "sentence"), [("  \n ", "empty"), ("x" * 100_001, "keep it to 100,000")])
def test_an_empty_or_endless_demonstration_is_refused(project, ada, text, sentence):
    make_demonstration_task(project)
    assignment = claim(ada)
    with pytest.raises(Refused, match=sentence):
        write(assignment, ada, text)
    assignment.refresh_from_db()
    assert assignment.state == "leased"


def test_the_kind_must_fit(project, ada):
    task = make_ranking_task(project)
    ranking = claim(ada)
    with pytest.raises(Refused, match="This task asks for a ranking, not for a demonstration"):
        write(ranking, ada)
    task.delete()
    make_demonstration_task(project)
    with pytest.raises(Refused, match="This task asks for a demonstration, not for a ranking"):
        rank(claim(ada), ada, [])


@pytest.mark.parametrize(("key", "sentence"), [("", "needs an idempotency key"), ("k" * 65, "keep it to 64")])
def test_a_submit_needs_a_key(project, ada, key, sentence):
    make_demonstration_task(project)
    with pytest.raises(Refused, match=sentence):
        write(claim(ada), ada, key=key)


def test_only_the_owner_submits(project, ada, bob):
    make_demonstration_task(project, overlap=2)
    assignment = claim(ada)
    with pytest.raises(Refused, match="There is no such assignment"):
        write(assignment, bob)
    assert Demonstration.objects.count() == 0


def test_a_withdrawn_labeler_submits_no_more(project, ada):
    make_demonstration_task(project)
    assignment = claim(ada)
    Membership.objects.filter(user=ada).delete()
    with pytest.raises(Refused, match="You do not label in the project Everyday assistant any more"):
        write(assignment, ada)
    assert Demonstration.objects.count() == 0


def test_a_skipped_task_is_not_submitted(project, ada):
    make_demonstration_task(project)
    assignment = claim(ada)
    assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="no")
    with pytest.raises(Conflict, match="You skipped this task"):
        write(assignment, ada)


def test_a_submitted_task_is_not_skipped(project, ada):
    task = make_demonstration_task(project)
    assignment = claim(ada)
    write(assignment, ada)
    with pytest.raises(Conflict, match="submitted already"):
        assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="oh")
    assert open_slots(task) == 0


def test_a_late_label_takes_the_slot_that_is_still_open(project, ada):
    task = make_demonstration_task(project)
    assignment = claim(ada)
    end_lease(assignment)
    assert open_slots(task) == 1
    write(assignment, ada)
    assignment.refresh_from_db()
    assert (assignment.state, assignment.is_extra) == ("submitted", False)
    assert open_slots(task) == 0


def test_a_late_label_for_a_full_task_is_kept_as_an_extra(project, ada, bob):
    task = make_demonstration_task(project)
    late = claim(ada)
    end_lease(late)
    in_time = claim(bob)
    write(in_time, bob, "in time", key="bob")
    write(late, ada, "late", key="ada")
    late.refresh_from_db()
    assert (late.state, late.is_extra) == ("submitted", True)
    assert open_slots(task) == 0
    assert {d.text for d in Demonstration.objects.all()} == {"in time", "late"}


def test_submitting_takes_as_many_queries_for_nine_answers_as_for_two(project, ada, django_assert_num_queries):
    # savepoint, task lock, assignment lock, ranking, ratings in a savepoint, assignment, release
    for texts in (("a", "b"), tuple("abcdefghi")):
        task = make_ranking_task(project, texts)
        ids = completion_ids(task)
        assignment = claim(ada)
        with django_assert_num_queries(7):
            rank(assignment, ada, [ids], ratings=dict.fromkeys(ids, 4))


@pytest.mark.django_db(transaction=True)
def test_a_double_click_gives_one_ranking():
    project = make_project()
    ada = make_labeler(project)
    task = make_ranking_task(project, ("a", "b"))
    a, b = completion_ids(task)
    assignment = claim(ada)
    results = together(8, lambda number: rank(assignment, ada, [[a], [b]], ratings={a: 5}))
    assert not [r for r in results if isinstance(r, Exception)]
    assert sorted(created for _, created in results) == [False] * 7 + [True]
    assert len({ranking.pk for ranking, _ in results}) == 1
    assert (Ranking.objects.count(), Rating.objects.count()) == (1, 1)
    assert open_slots(task) == 0


@pytest.mark.django_db(transaction=True)
def test_tabs_with_different_keys_give_one_label_and_clear_conflicts():
    project = make_project()
    ada = make_labeler(project)
    task = make_demonstration_task(project)
    assignment = claim(ada)
    results = together(6, lambda number: write(assignment, ada, f"from tab {number}", key=f"tab-{number}"))
    assert sum(isinstance(r, Conflict) for r in results) == 5
    assert Demonstration.objects.count() == 1
    assert open_slots(task) == 0


@pytest.mark.django_db(transaction=True)
def test_labels_and_expiry_at_once_never_exceed_the_overlap_unmarked():
    project = make_project()
    task = make_demonstration_task(project, overlap=4)
    labelers = [make_labeler(project, f"labeler{number}") for number in range(7)]
    early = [claim(labeler) for labeler in labelers[:4]]
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    def act(number: int):
        if number < 4:
            return write(early[number], labelers[number], f"text {number}")
        if number < 7:
            return claim(labelers[number])
        return leases_expire()

    results = together(8, act)
    assert not [r for r in results if isinstance(r, Exception)]
    assert Demonstration.objects.count() == 4
    counted = task.assignments.filter(state__in=["leased", "submitted"], is_extra=False).count()
    assert counted <= 4
    assert open_slots(task) == 4 - counted
