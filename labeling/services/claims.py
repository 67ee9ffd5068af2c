"""Claim: how a task reaches one labeler and no other.

Locks are taken in the order labeler, task, assignment.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from labeling.models import Assignment, Task
from labeling.selectors.assignments import assignment_for
from labeling.selectors.tasks import Standing, Terms, done_today, memberships_of, standing_of, terms_of
from labeling.services.assignments import assignment_start, assignment_take_up, lease_renew
from labeling.services.slots import Wish, slot_take
from people.access import LABELING, projects_for
from people.models import Project, User
from people.prepared import Prepared
from people.refusals import Forbidden, Refused

State = Assignment.State

# Asked at every claim and nearly always without an answer, so it is not put together anew each time. Who has changed
# over to the other cohort gets nothing back of what they held there. Of skills nothing is asked: what was offered to a
# named person needs none.
_HELD = """
    SELECT a.id, a.state FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id
    WHERE a.labeler_id = %(labeler)s AND a.state IN ('leased', 'offered', 'expired')
        AND t.project_id = %(project)s AND (%(kind)s::text IS NULL OR t.kind = %(kind)s)
        AND split_part(t.lane, ':', 1) = %(cohort)s
        AND (a.state = 'leased' OR t.withdrawn_at IS NULL AND (a.state = 'offered'
            OR t.taken < coalesce(t.wanted, CASE WHEN t.is_shared THEN %(overlap)s ELSE 1 END)))
    ORDER BY CASE a.state WHEN 'leased' THEN 0 WHEN 'offered' THEN 1 ELSE 2 END, a.claimed_at
    LIMIT 20
"""


@transaction.atomic
def assignment_claim_next(
    *, labeler: User, project: Project, kind: str | None = None, another: bool = False
) -> Assignment | None:
    """Give the labeler work: what they hold, what was offered to them, what they left and is still wanted, or a task.

    With `another`, one more than they hold already, up to the project's cap. Which task comes first stands at
    `slot_take`. None when nothing is open to them. Two people never get the same slot; one person never gets a task
    twice. Raises Refused.
    """
    standing = _standing_locked(labeler, project)
    if not project.is_active:
        raise Refused(f"The project {project.name} is closed and hands out no tasks.")
    terms = terms_of(project)
    held = _held(labeler, project, kind, standing, terms)
    if another or (kind and all(state != State.LEASED for _, state in held)):  # of another kind they may hold some
        _require_room(labeler, project, terms)
    for pk, state in held:
        if another and state == State.LEASED:
            continue
        if state == State.LEASED:
            mine = assignment_for(labeler, pk)
            if mine is not None and lease_renew(mine, terms):
                return mine
        _require_day(labeler, project, terms)
        taken = assignment_take_up(assignment_id=pk, labeler=labeler, terms=terms)
        if taken is not None and taken.state == State.LEASED:
            return taken
    _require_day(labeler, project, terms)
    return _claim(labeler, project, kind, standing, terms)


def assignment_claim_anywhere(*, labeler: User, kind: str | None = None, another: bool = False) -> Assignment | None:
    """The next task of whichever active project has one: what they hold comes first, then projects by priority.

    None when nothing is open to them anywhere. Raises Refused when no project has anything and one of them says why,
    as that their labels of today are in.
    """
    projects = list(
        projects_for(labeler, LABELING)
        .filter(is_active=True)
        .order_by(F("setup__priority").desc(nulls_last=True), "name")
    )
    if not another:
        holding = Assignment.objects.filter(labeler=labeler, state=State.LEASED).values_list(
            "task__project", flat=True
        )
        here = set(holding.order_by())
        projects.sort(key=lambda project: project.pk not in here)
    refusal: Refused | None = None
    for project in projects:
        try:
            found = assignment_claim_next(labeler=labeler, project=project, kind=kind, another=another)
        except Refused as refused:
            refusal = refusal or refused
            continue
        if found is not None:
            return found
    if refusal is not None:
        raise refusal
    return None


def _standing_locked(labeler: User, project: Project) -> Standing:
    """The labeler's standing, their row locked: one labeler claims one thing at a time, so that two tabs get the same
    task. The lock is weak enough not to block foreign keys.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM people_user WHERE id = %s FOR NO KEY UPDATE", [labeler.pk])
    standing = standing_of(labeler, memberships_of(labeler, project))
    if standing is None:
        raise Forbidden(f"You do not label in the project {project.name} any more.")
    return standing


def _held(
    labeler: User, project: Project, kind: str | None, standing: Standing, terms: Terms
) -> list[tuple[UUID, str]]:
    """What the labeler has in work, else what was offered, else what they left and what still has an open slot: all of
    their present cohort.
    """
    values = {
        "labeler": labeler.pk,
        "project": project.pk,
        "kind": kind or None,
        "cohort": standing.cohort,
        "overlap": terms.overlap,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HELD, values)
        rows: list[tuple[UUID, str]] = cursor.fetchall()
    return rows


def _require_room(labeler: User, project: Project, terms: Terms) -> None:
    count = Assignment.objects.filter(labeler=labeler, task__project=project, state=State.LEASED).count()
    if count >= terms.open_cap:
        tasks = "1 task" if count == 1 else f"{count} tasks"
        raise Refused(f"You hold {tasks} of {project.name} already; submit or skip one first.")


def _require_day(labeler: User, project: Project, terms: Terms) -> None:
    if terms.daily_cap is not None and done_today(labeler, project) >= terms.daily_cap:
        labels = "1 label" if terms.daily_cap == 1 else f"{terms.daily_cap} labels"
        raise Refused(f"You have given your {labels} for today in {project.name}; there is more tomorrow.")


_TASK = Prepared(lambda task: Task.objects.select_related("prompt").filter(pk=task).order_by(), task=int)


def _claim(labeler: User, project: Project, kind: str | None, standing: Standing, terms: Terms) -> Assignment | None:
    kinds = tuple(one for one in terms.kinds if kind in (None, "", one))
    if not kinds:
        return None
    wish = Wish(labeler_id=labeler.pk, project_id=project.pk, kinds=kinds, lanes=standing.lanes, overlap=terms.overlap)
    task_id = slot_take(wish)
    if task_id is None:
        return None
    [task] = _TASK(task=task_id)
    task.project = project
    assignment = Assignment(task=task, labeler=labeler)
    assignment_start(assignment=assignment, terms=terms)
    assignment.save(force_insert=True)
    return assignment
