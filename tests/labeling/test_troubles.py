"""Skips by kind and flags: what labelers find wrong with tasks, and what managers see of it."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from labeling.models import Assignment, Flag
from labeling.services.assignments import assignment_resume
from labeling.services.claims import assignment_claim_next
from labeling.services.flags import flag_raise, flag_settle
from labeling.services.skips import assignment_skip
from people.models import Role
from people.refusals import Conflict, Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project, "ada")


@pytest.fixture
def mia(project):
    return make_labeler(project, "mia", role=Role.MANAGER)


@pytest.fixture
def assignment(project, ada):
    make_demonstration_task(project)
    return assignment_claim_next(labeler=ada, project=project)


def client(user):
    found = APIClient()
    found.force_authenticate(user)
    return found


@pytest.mark.parametrize("kind", ["unclear", "expertise", "upsetting"])
def test_a_kind_is_reason_enough(assignment, ada, kind):
    skipped = assignment_skip(assignment_id=assignment.pk, labeler=ada, kind=kind)
    assert (skipped.state, skipped.skip_kind, skipped.skip_reason) == ("skipped", kind, "")


@pytest.mark.parametrize(
    ("kind", "reason", "sentence"),
    [
        ("broken", " ", "Say in a few words what is broken"),
        ("", "", "Say in a few words why you skip"),
        ("boring", "x", "skipped as one of unclear, expertise, broken, upsetting, not as 'boring'"),
        ("unclear", "x" * 301, "keep it to 300"),
    ],
)
def test_skips_that_are_refused(assignment, ada, kind, reason, sentence):
    with pytest.raises(Refused, match=sentence):
        assignment_skip(assignment_id=assignment.pk, labeler=ada, kind=kind, reason=reason)
    assert Assignment.objects.get().state == "leased"


def test_managers_see_skips_by_kind(project, ada, mia):
    for number, (kind, reason) in enumerate([("broken", "cut off"), ("unclear", ""), ("unclear", "?"), ("", "old")]):
        make_demonstration_task(project)
        found = assignment_claim_next(labeler=ada, project=project)
        assignment_skip(assignment_id=found.pk, labeler=ada, kind=kind, reason=reason)
        if number == 2:
            assignment_resume(assignment_id=found.pk, labeler=ada)  # taken up again: no skip any more
            Assignment.objects.filter(pk=found.pk).update(state="submitted")
    answer = client(mia).get("/api/v1/projects/everyday/skips/").json()
    assert answer["by_kind"] == {"unclear": 1, "expertise": 0, "broken": 1, "upsetting": 0, "": 1}
    assert [(s["kind"], s["reason"], s["labeler"]) for s in answer["results"]] == [
        ("", "old", "ada"), ("unclear", "", "ada"), ("broken", "cut off", "ada"),
    ]  # fmt: skip
    one = client(mia).get("/api/v1/projects/everyday/skips/?kind=broken").json()
    assert [s["reason"] for s in one["results"]] == ["cut off"]


def test_skipping_over_http_by_kind_or_words(assignment, ada):
    url = f"/api/v1/assignments/{assignment.pk}/skip/"
    assert client(ada).post(url, {"kind": "nope"}, format="json").status_code == 400
    assert client(ada).post(url, {}, format="json").status_code == 400
    assert client(ada).post(url, {"kind": "upsetting"}, format="json").json()["state"] == "skipped"
    assert Assignment.objects.get().skip_kind == "upsetting"


def test_a_flag_stays_until_it_is_settled(assignment, project, ada, mia):
    api, boss = client(ada), client(mia)
    url = f"/api/v1/assignments/{assignment.pk}/flag/"
    note = "<b>Two</b> answers are the same ‮.\x00"
    first = api.post(url, {"note": note}, format="json")
    assert first.status_code == 400  # the parser refuses NUL in plain words
    first = api.post(url, {"note": note.rstrip("\x00")}, format="json")
    assert first.status_code == 201
    assert api.post(url, {"note": note.rstrip("\x00")}, format="json").json()["id"] == first.json()["id"]
    assert Assignment.objects.get().state == "leased"
    listed = boss.get("/api/v1/projects/everyday/flags/?open=true").json()["results"]
    assert [(f["note"], f["raised_by"], f["settled_at"]) for f in listed] == [(note.rstrip("\x00"), "ada", None)]
    settle = f"/api/v1/flags/{first.json()['id']}/settle/"
    assert boss.post(settle, {"answer": "Withdrawn."}, format="json").json()["answer"] == "Withdrawn."
    assert boss.post(settle, {}, format="json").status_code == 409
    assert boss.get("/api/v1/projects/everyday/flags/?open=true").json()["count"] == 0
    settled = boss.get("/api/v1/projects/everyday/flags/?open=false").json()["results"]
    assert [(f["settled_by"], f["answer"]) for f in settled] == [("mia", "Withdrawn.")]


def test_flags_are_bounded_and_ones_own(assignment, project, ada, mia):
    with pytest.raises(Refused, match="Say in a few words what is wrong"):
        flag_raise(assignment_id=assignment.pk, labeler=ada, note=" \n")
    with pytest.raises(Refused, match="keep it to 2,000"):
        flag_raise(assignment_id=assignment.pk, labeler=ada, note="x" * 2001)
    with pytest.raises(Refused, match="There is no such assignment"):
        flag_raise(assignment_id=assignment.pk, labeler=mia, note="x")
    flags = [flag_raise(assignment_id=assignment.pk, labeler=ada, note=f"number {n}") for n in range(10)]
    with pytest.raises(Refused, match="You have 10 open flags on this task already"):
        flag_raise(assignment_id=assignment.pk, labeler=ada, note="one more")
    flag_settle(flag_id=flags[0].pk, settled_by=mia)
    with pytest.raises(Conflict, match="settled already"):
        flag_settle(flag_id=flags[0].pk, settled_by=mia)
    assert flag_raise(assignment_id=assignment.pk, labeler=ada, note="one more").pk == Flag.objects.first().pk


def test_lists_take_as_many_queries_for_many_rows(project, ada, mia, django_assert_num_queries):
    for _ in range(4):
        make_demonstration_task(project)
        found = assignment_claim_next(labeler=ada, project=project)
        flag_raise(assignment_id=found.pk, labeler=ada, note="x")
        assignment_skip(assignment_id=found.pk, labeler=ada, kind="unclear")
    with django_assert_num_queries(4):  # the project, the roles, the count, the rows
        assert client(mia).get("/api/v1/projects/everyday/flags/").json()["count"] == 4
    with django_assert_num_queries(5):  # and the counts by kind
        assert client(mia).get("/api/v1/projects/everyday/skips/").json()["count"] == 4
