"""Drafts: kept on the server whatever happens to the lease."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment
from labeling.services.assignments import leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.drafts import assignment_save_draft
from labeling.services.skips import assignment_skip
from people.refusals import Conflict, Refused
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


def save(assignment, labeler, draft):
    return assignment_save_draft(assignment_id=assignment.pk, labeler=labeler, draft=draft)


def test_the_last_draft_is_kept(assignment, ada):
    save(assignment, ada, {"text": "one"})
    save(assignment, ada, {"text": "two", "anything": [1, {"deep": None}]})
    assignment.refresh_from_db()
    assert assignment.draft == {"text": "two", "anything": [1, {"deep": None}]}
    assert assignment.draft_saved_at is not None


def test_a_draft_is_kept_after_the_lease_ended_and_after_a_skip(assignment, ada):
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    leases_expire()
    save(assignment, ada, {"text": "written on the train"})
    assignment.refresh_from_db()
    assert (assignment.state, assignment.draft["text"]) == ("expired", "written on the train")
    assignment_skip(assignment_id=assignment.pk, labeler=ada, reason="no")
    save(assignment, ada, {"text": "and then some"})
    assignment.refresh_from_db()
    assert (assignment.state, assignment.draft["text"]) == ("skipped", "and then some")


def test_characters_that_the_database_refuses_do_not_lose_the_rest(assignment, ada):
    save(assignment, ada, {"text": "pasted\x00from\ud83d somewhere"})
    assignment.refresh_from_db()
    assert assignment.draft == {"text": "pasted\ufffdfrom\ufffd somewhere"}


@pytest.mark.parametrize("draft", [[], "x", None, {"text": "x" * 1_000_001}])
def test_what_is_no_draft_leaves_the_last_one(assignment, ada, draft):
    save(assignment, ada, {"text": "good"})
    with pytest.raises(Refused):
        save(assignment, ada, draft)
    assignment.refresh_from_db()
    assert assignment.draft == {"text": "good"}


def test_a_submitted_task_takes_no_draft(assignment, ada):
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Done.")
    with pytest.raises(Conflict, match="submitted already"):
        save(assignment, ada, {"text": "a late key stroke"})
    assignment.refresh_from_db()
    assert assignment.draft == {}


def test_saving_takes_few_queries_whatever_the_size(assignment, ada, django_assert_num_queries):
    # The assignment with membership and setup, the lock, the update and the revision, in a transaction of two.
    for size in (10, 500_000):
        with django_assert_num_queries(6):
            save(assignment, ada, {"text": "x" * size})
