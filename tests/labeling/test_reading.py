"""Instructions that were read: what is due, what changed since, and under which version work is given."""

from __future__ import annotations

import pytest

from labeling.models import Assignment, InstructionsRead
from labeling.selectors.reading import changes_between, is_confirmed, reading_of
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.instructions import instructions_add, instructions_confirm
from people.models import Role
from people.refusals import Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


def test_each_new_version_is_due_until_it_is_confirmed(project, ada):
    assert not reading_of(ada, project).is_due
    instructions_add(project=project, text="One.")
    assert reading_of(ada, project).is_due
    instructions_confirm(project=project, labeler=ada, version=1)
    assert not reading_of(ada, project).is_due
    instructions_add(project=project, text="Two.")
    reading = reading_of(ada, project)
    assert (reading.newest, reading.confirmed, reading.is_due) == (2, 1, True)
    assert reading_of(make_labeler(project, "bob"), project).confirmed == 0


def test_confirming_twice_is_once_and_an_older_one_confirms_no_newer(project, ada):
    for text in ("One.", "Two."):
        instructions_add(project=project, text=text)
    first, _ = instructions_confirm(project=project, labeler=ada, version=1)
    assert instructions_confirm(project=project, labeler=ada, version=1) == (first, False)
    assert InstructionsRead.objects.count() == 1
    assert reading_of(ada, project).is_due


def test_who_and_what_cannot_be_confirmed(project, ada):
    instructions_add(project=project, text="One.")
    with pytest.raises(Refused, match="There is no version 2"):
        instructions_confirm(project=project, labeler=ada, version=2)
    eve = make_labeler(project, "eve", role=Role.ENGINEER)
    with pytest.raises(Refused, match="You do not label"):
        instructions_confirm(project=project, labeler=eve, version=1)


def test_work_under_way_goes_on_under_the_version_that_was_read(project, ada):
    instructions_add(project=project, text="One.")
    make_demonstration_task(project)
    make_demonstration_task(project)
    given = assignment_claim_next(labeler=ada, project=project)
    demonstration_submit(assignment_id=given.pk, labeler=ada, key="k", text="So.")
    begun = assignment_claim_next(labeler=ada, project=project)
    instructions_add(project=project, text="Two.")
    assert not is_confirmed(begun)
    instructions_confirm(project=project, labeler=ada, version=2)
    versions = dict(Assignment.objects.values_list("pk", "instructions_version"))
    assert versions == {given.pk: 1, begun.pk: 2}
    begun.refresh_from_db()
    assert is_confirmed(begun)
    label, _ = demonstration_submit(assignment_id=begun.pk, labeler=ada, key="l", text="So.")
    assert label.instructions_version == 2


def test_what_changed_is_told_part_by_part_word_by_word(project):
    old = instructions_add(project=project, text="Be kind and short.", training_priorities="Help.")
    new = instructions_add(
        project=project, text="Be kind and clear.", training_priorities="Help.", evaluation_priorities="Truth."
    )
    first, second = changes_between(old, new)
    assert first.title == "Instructions"
    assert [(piece.kind, piece.text) for piece in first.pieces] == [
        ("same", "Be kind and "),
        ("out", "short."),
        ("in", "clear."),
    ]
    assert (second.title, second.is_new, first.is_new) == ("What comes first, in evaluations", True, False)


def test_a_version_is_added_when_any_part_changed(project):
    instructions_add(project=project, text="One.")
    assert instructions_add(project=project, text="One.").version == 1
    assert instructions_add(project=project, text="One.", examples="As here.").version == 2
    assert instructions_add(project=project, text="One.").version == 3
