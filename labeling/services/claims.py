"""Claim: how a task reaches one labeler and no other.

Locks are taken in the order labeler, task, assignment.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Case, Q, QuerySet, When

from labeling.models import Assignment, Task
from labeling.selectors.tasks import Standing, Terms, done_today, standing_of, terms_of
from labeling.services.assignments import assignment_start, assignment_take_up, lease_renew
from labeling.services.slots import Wish, slot_take
from people.access import LABELING, projects_for
from people.models import Project, User
from people.refusals import Refused

State = Assignment.State


@transaction.atomic
def assignment_claim_next(
    *, labeler: User, project: Project, kind: str | None = None, another: bool = False
) -> Assignment | None:
    """Give the labeler work: what they hold, what was offered to them, what they left and is still wanted, or a task.

    With `another`, one more than they hold already, up to the project's cap. Which task comes first stands at
    `slot_take`. None when nothing is open to them. Two people never get the same slot; one person never gets a task
    twice. Raises Refused.
    """
    standing = standing_of(labeler, project)
    if standing is None:
        raise Refused(f"You do not label in the project {project.name} any more.")
    if not project.is_active:
        raise Refused(f"The project {project.name} is closed and hands out no tasks.")
    # One labeler claims one thing at a time: two tabs get the same task. Weak enough not to block foreign keys.
    User.objects.select_for_update(no_key=True).only("pk").get(pk=labeler.pk)
    terms = terms_of(project)
    mine = Assignment.objects.filter(labeler=labeler, task__project=project)
    if kind:
        mine = mine.filter(task__kind=kind)
    held = _held(mine, terms)
    if another:
        held = [assignment for assignment in held if assignment.state != State.LEASED]
        _require_room(labeler, project, terms)
    if held and held[0].state == State.LEASED and lease_renew(held[0], terms):
        return held[0]
    _require_day(labeler, project, terms)
    for left in held:
        taken = assignment_take_up(assignment=left, labeler=labeler, terms=terms)
        if taken is not None and taken.state == State.LEASED:
            return taken
    return _claim(labeler, project, kind, standing, terms)


def assignment_claim_anywhere(*, labeler: User, kind: str | None = None, another: bool = False) -> Assignment | None:
    """The next task of whichever active project has one: what they hold comes first, then projects by priority.

    None when nothing is open to them anywhere. Raises Refused when no project has anything and one of them says why,
    as that their labels of today are in.
    """
    projects = list(
        projects_for(labeler, LABELING).filter(is_active=True).order_by("-setup__priority", "name").distinct()
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


def _held(mine: QuerySet[Assignment], terms: Terms) -> list[Assignment]:
    """What the labeler has in work, else what was offered, else what they left and what still has an open slot."""
    offered = Q(state=State.OFFERED, task__withdrawn_at=None)
    left = Q(terms.open_tasks("task__"), state=State.EXPIRED)
    rank = Case(When(state=State.LEASED, then=0), When(state=State.OFFERED, then=1), default=2)
    found = mine.filter(Q(state=State.LEASED) | offered | left)
    return list(found.select_related("task__prompt", "task__project").order_by(rank, "claimed_at")[:2])


def _require_room(labeler: User, project: Project, terms: Terms) -> None:
    count = Assignment.objects.filter(labeler=labeler, task__project=project, state=State.LEASED).count()
    if count >= terms.open_cap:
        tasks = "1 task" if count == 1 else f"{count} tasks"
        raise Refused(f"You hold {tasks} of {project.name} already; submit or skip one first.")


def _require_day(labeler: User, project: Project, terms: Terms) -> None:
    if terms.daily_cap is not None and done_today(labeler, project) >= terms.daily_cap:
        labels = "1 label" if terms.daily_cap == 1 else f"{terms.daily_cap} labels"
        raise Refused(f"You have given your {labels} for today in {project.name}; there is more tomorrow.")


def _claim(labeler: User, project: Project, kind: str | None, standing: Standing, terms: Terms) -> Assignment | None:
    kinds = tuple(one for one in terms.kinds if kind in (None, "", one))
    if not kinds:
        return None
    wish = Wish(labeler_id=labeler.pk, project_id=project.pk, kinds=kinds, lanes=standing.lanes, overlap=terms.overlap)
    task_id = slot_take(wish)
    if task_id is None:
        return None
    task = Task.objects.select_related("prompt").get(pk=task_id)
    task.project = project
    assignment = Assignment(task=task, labeler=labeler)
    assignment_start(assignment=assignment, terms=terms)
    assignment.save(force_insert=True)
    return assignment
