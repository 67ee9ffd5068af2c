"""Leases: kept by signs of life, ended by their absence, taken up again where a slot is open."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment
from labeling.services.assignments import assignment_heartbeat, assignment_resume, leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.drafts import assignment_save_draft
from labeling.services.skips import assignment_skip
from people.models import Membership
from people.refusals import Conflict, Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, open_slots

pytestmark = pytest.mark.django_db


def run_out(*assignments: Assignment) -> None:
    """Set the end of the leases to a second ago."""
    past = timezone.now() - timedelta(seconds=1)
    Assignment.objects.filter(pk__in=[a.pk for a in assignments]).update(lease_expires_at=past)


@pytest.fixture
def project():
    return make_project(lease_minutes=10)


@pytest.fixture
def task(project):
    return make_demonstration_task(project)


@pytest.fixture
def ada(project):
    return make_labeler(project, "ada")


@pytest.fixture
def bob(project):
    return make_labeler(project, "bob")


@pytest.fixture
def assignment(ada, project, task):
    return assignment_claim_next(labeler=ada, project=project)


def test_a_running_lease_does_not_end(assignment, task):
    assert leases_expire() == 0
    assignment.refresh_from_db()
    assert assignment.state == "leased"
    assert open_slots(task) == 0


def test_a_lease_that_ran_out_frees_its_slot_once_and_keeps_the_draft(assignment, ada, task):
    assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": "half"})
    run_out(assignment)
    assert leases_expire() == 1
    assert leases_expire() == 0
    assignment.refresh_from_db()
    assert assignment.state == "expired"
    assert assignment.draft == {"text": "half"}
    assert open_slots(task) == 1


def test_expiry_counts_each_task_on_its_own(project):
    shared, single = make_demonstration_task(project, overlap=3), make_demonstration_task(project, overlap=1)
    people = [make_labeler(project, f"labeler{number}") for number in range(4)]
    taken = [assignment_claim_next(labeler=person, project=project) for person in people]
    assert (open_slots(shared), open_slots(single)) == (0, 0)
    run_out(*taken)
    assert leases_expire() == 4
    assert (open_slots(shared), open_slots(single)) == (3, 1)


def test_a_heartbeat_renews(assignment, ada):
    run_out(assignment)
    renewed = assignment_heartbeat(assignment_id=assignment.pk, labeler=ada)
    assert renewed.state == "leased"
    assert leases_expire() == 0
    assert renewed.lease_expires_at > timezone.now() + timedelta(minutes=9)


def test_saving_a_draft_renews_too(assignment, ada):
    run_out(assignment)
    assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": "still here"})
    assert leases_expire() == 0


def test_a_freed_slot_goes_to_the_next_labeler(assignment, bob, project, task):
    run_out(assignment)
    leases_expire()
    assert assignment_claim_next(labeler=bob, project=project).task == task


def test_next_brings_back_what_ran_out_with_its_draft(assignment, ada, project, task):
    assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": "half"})
    run_out(assignment)
    leases_expire()
    again = assignment_claim_next(labeler=ada, project=project)
    assert again == assignment
    assert (again.state, again.draft) == ("leased", {"text": "half"})
    assert open_slots(task) == 0


def test_a_heartbeat_takes_an_ended_lease_up_again_while_a_slot_is_open(assignment, ada, task):
    run_out(assignment)
    leases_expire()
    assert assignment_heartbeat(assignment_id=assignment.pk, labeler=ada).state == "leased"
    assert open_slots(task) == 0


def test_an_ended_lease_stays_ended_when_someone_else_has_the_slot(assignment, ada, bob, project, task):
    run_out(assignment)
    leases_expire()
    assignment_claim_next(labeler=bob, project=project)
    assert assignment_heartbeat(assignment_id=assignment.pk, labeler=ada).state == "expired"
    assert open_slots(task) == 0
    with pytest.raises(Conflict, match="Others have taken this task meanwhile; your draft is kept"):
        assignment_resume(assignment_id=assignment.pk, labeler=ada)
    assert assignment_claim_next(labeler=ada, project=project) is None


def test_skipping_frees_the_slot_at_once_and_says_why(assignment, ada, bob, project, task):
    skipped = assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="  needs a lawyer ")
    assert (skipped.state, skipped.skip_reason) == ("skipped", "needs a lawyer")
    assert open_slots(task) == 1
    assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="twice")
    assert open_slots(task) == 1
    assert assignment_claim_next(labeler=ada, project=project) is None
    assert assignment_claim_next(labeler=bob, project=project).task == task


def test_skipping_after_the_lease_ended_frees_nothing_twice(assignment, ada, task):
    run_out(assignment)
    leases_expire()
    assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="late")
    assert open_slots(task) == 1


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("", "Say in a few words"),
        (" \u2060 ", "Say in a few words"),
        ("\u2060", "Say in a few words"),
        ("x" * 301, "keep it to 300"),
    ],
)
def test_a_skip_needs_a_short_reason(assignment, ada, task, reason, sentence):
    with pytest.raises(Refused, match=sentence):
        assignment_skip(assignment_id=assignment.pk, labeler=ada, reason=reason)
    assert open_slots(task) == 0


def test_a_skipped_task_can_be_taken_up_again(assignment, ada, task):
    assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="a slip")
    with pytest.raises(Conflict, match="You skipped this task"):
        assignment_heartbeat(assignment_id=assignment.pk, labeler=ada)
    assert assignment_resume(assignment_id=assignment.pk, labeler=ada).state == "leased"
    assert open_slots(task) == 0


def test_nobody_touches_another_ones_assignment(assignment, bob):
    for act in (assignment_heartbeat, assignment_resume):
        with pytest.raises(Refused, match="There is no such assignment"):
            act(assignment_id=assignment.pk, labeler=bob)
    with pytest.raises(Refused, match="There is no such assignment"):
        assignment_skip(assignment_id=assignment.pk, labeler=bob, reason="mine now")
    with pytest.raises(Refused, match="There is no such assignment"):
        assignment_save_draft(assignment_id=assignment.pk, labeler=bob, draft={})
    assignment.refresh_from_db()
    assert (assignment.state, assignment.draft) == ("leased", {})


def test_a_withdrawn_labeler_keeps_no_lease_alive(assignment, ada):
    Membership.objects.filter(user=ada).delete()
    with pytest.raises(Refused, match="You do not label in the project Everyday assistant any more"):
        assignment_heartbeat(assignment_id=assignment.pk, labeler=ada)


def test_a_heartbeat_takes_few_queries(assignment, ada, django_assert_num_queries):
    with django_assert_num_queries(2):  # the assignment with membership and setup, the update
        assignment_heartbeat(assignment_id=assignment.pk, labeler=ada)
