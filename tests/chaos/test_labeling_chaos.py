"""Labelers who claim, write, skip, double-click and fall asleep at once, on connections that break: the books balance.

What must hold at the end, whatever happened: what is taken of each task is its leases and labels, and no more than it
wants; no assignment has two labels; every submitted one has its label.
"""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import Count
from django.utils import timezone

from labeling.models import Assignment, Demonstration, Ranking, Task
from labeling.services.assignments import assignment_heartbeat, assignment_resume, leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.drafts import assignment_save_draft
from labeling.services.rankings import ranking_submit
from labeling.services.skips import assignment_skip
from people.refusals import Refused
from tests.labeling.threads import together
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_ranking_task

pytestmark = pytest.mark.django_db(transaction=True)

LABELERS, STEPS, SEED = 6, 25, 20261123
DEADLOCK = "40P01"


def label(assignment: Assignment, labeler, key: str) -> None:
    common = {"assignment_id": assignment.pk, "labeler": labeler, "key": key}
    if assignment.task.kind == Task.Kind.DEMONSTRATION:
        demonstration_submit(**common, text="An answer.")
    else:
        ranking_submit(**common, groups=[assignment.shown_order], ratings={assignment.shown_order[0]: 4})


def labeler_day(labeler, project, draw: random.Random) -> int:
    """Some random steps of one labeler; a step that breaks off is simply followed by the next. Returns the breaks."""
    broken = 0
    for _ in range(STEPS):
        try:
            assignment = assignment_claim_next(labeler=labeler, project=project)
            if assignment is None:
                continue
            step = draw.choice(("submit", "submit", "twice", "skip", "back", "draft", "sleep"))
            key = uuid.uuid4().hex
            if step == "submit":
                label(assignment, labeler, key)
            elif step == "twice":
                label(assignment, labeler, key)
                label(assignment, labeler, key)
            elif step in ("skip", "back"):
                assignment_skip(assignment_id=assignment.pk, labeler=labeler, reason="chaos")
                if step == "back":
                    assignment_resume(assignment_id=assignment.pk, labeler=labeler)
            elif step == "draft":
                assignment_save_draft(assignment_id=assignment.pk, labeler=labeler, draft={"text": key})
                assignment_heartbeat(assignment_id=assignment.pk, labeler=labeler)
            else:
                past = timezone.now() - timedelta(seconds=1)
                Assignment.objects.filter(pk=assignment.pk, state="leased").update(lease_expires_at=past)
        except Refused:
            continue
        except (OperationalError, InterfaceError) as error:
            if getattr(error.__cause__, "pgcode", None) == DEADLOCK:
                raise
            broken += 1
            connection.close()  # as the next request of a web process would
    return broken


def sweeper(draw: random.Random) -> int:
    """The clock: leases end, and now and then a connection is cut in the middle of whatever it does."""
    cut = 0
    for turn in range(STEPS * 3):
        leases_expire()
        if turn % 5 == 0:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND state <> 'idle' AND backend_type = 'client backend'"
                )
                busy = [pid for (pid,) in cursor.fetchall()]
                if busy:
                    cursor.execute("SELECT pg_terminate_backend(%s)", [draw.choice(busy)])
                    cut += 1
    return cut


def test_the_books_balance_after_a_wild_day():
    project = make_project()
    for number in range(12):
        make_demonstration_task(project, overlap=1 + number % 3)
        make_ranking_task(project, ("a", "b", "c"), overlap=1 + number % 4)
    labelers = [make_labeler(project, f"labeler{number}") for number in range(LABELERS)]

    def act(number: int):
        draw = random.Random(SEED + number)
        if number < LABELERS:
            return labeler_day(labelers[number], project, draw)
        return sweeper(draw)

    results = together(LABELERS + 1, act)
    assert not [r for r in results if isinstance(r, Exception)]
    assert results[-1] > 0  # connections were cut

    for task in Task.objects.all():
        leased = task.assignments.filter(state="leased").count()
        labels = task.assignments.filter(state="submitted", is_extra=False).count()
        assert task.taken == leased + labels <= (task.wanted or 1)
    submitted = Assignment.objects.filter(state="submitted")
    assert submitted.count() > LABELERS
    assert Demonstration.objects.count() + Ranking.objects.count() == submitted.count()
    for model in (Demonstration, Ranking):
        kinds = model.objects.values("assignment__state", "assignment__task__kind").annotate(n=Count("pk"))
        assert {(k["assignment__state"], k["assignment__task__kind"]) for k in kinds} == {
            ("submitted", model.__name__.lower())
        }
    assert all(ranking.ratings.count() == 1 for ranking in Ranking.objects.all())


def test_a_lost_answer_is_replayed_with_the_same_key():
    project = make_project()
    make_demonstration_task(project)
    ada = make_labeler(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    with connection.execute_wrapper(_cut_before_the_label), pytest.raises(DatabaseError):
        demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Once.")
    connection.close()
    assignment.refresh_from_db()
    assert (assignment.state, Demonstration.objects.count()) == ("leased", 0)
    _, created = demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Once.")
    _, again = demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Once.")
    assert (created, again) == (True, False)
    assert Demonstration.objects.count() == 1


def _cut_before_the_label(execute, sql, params, many, context):
    """Cut this connection on the server when it is about to mark the assignment, after the label was inserted."""
    if sql.startswith('UPDATE "labeling_assignment"'):
        execute("SELECT pg_terminate_backend(pg_backend_pid())", (), False, context)
    return execute(sql, params, many, context)
