"""Offer a task to named people: each gets a slot that nobody else can take, and gets the task first."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.models import Assignment, Task
from labeling.selectors.tasks import memberships_of, standing_of, terms_of
from labeling.services.assignments import slot_give_back, task_lock
from people.models import User
from people.refusals import Conflict, Refused

State = Assignment.State


@transaction.atomic
def task_offer(*, task: Task, labelers: Collection[User]) -> list[Assignment]:
    """Keep a slot of the task for each of these people; all of them or none.

    A named person needs no particular skill, but held-out and training labelers stay in their lanes. Raises Refused
    for who does not label in the project, stands in the other cohort or has had the task, and when slots are missing.
    """
    # In the order of the claim: labelers, then the task.
    people = list(User.objects.select_for_update(no_key=True).filter(pk__in=[u.pk for u in labelers]).order_by("pk"))
    locked = Task.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=task.pk)
    if not people:
        raise Refused("Name somebody to offer the task to.")
    if locked.withdrawn_at is not None:
        raise Conflict("The task is withdrawn; bring it back before offering it.")
    cohort = locked.lane.partition(":")[0]
    for person in people:
        standing = standing_of(person, memberships_of(person, locked.project))
        if standing is None:
            raise Refused(f"{person} does not label in the project {locked.project.name}.")
        if standing.cohort != cohort:
            other = "held-out" if cohort == "held_out" else "training"
            raise Refused(f"The task is for {other} labelers, and {person} is none of them.")
    if had := Assignment.objects.filter(task=locked, labeler__in=people).select_related("labeler").first():
        raise Conflict(f"{had.labeler} has or had this task already.")
    wanted = terms_of(locked.project).labels_wanted(locked)
    if locked.taken + len(people) > wanted:
        raise Conflict(
            f"The task wants {wanted} label{'' if wanted == 1 else 's'} and {locked.taken} are given away; "
            "let it want more before offering it."
        )
    Task.objects.filter(pk=locked.pk).update(taken=F("taken") + len(people))
    return Assignment.objects.bulk_create(
        Assignment(task=locked, labeler=person, state=State.OFFERED, lease_expires_at=timezone.now())
        for person in people
    )


@transaction.atomic
def offer_withdraw(*, assignment_id: UUID) -> None:
    """Take an offer back and free its slot. Raises Conflict once the person has taken it up."""
    task_lock(assignment_id=assignment_id)
    offer = Assignment.objects.select_for_update(of=("self",)).filter(pk=assignment_id).first()
    if offer is None or offer.state != State.OFFERED:
        raise Conflict("The offer was taken up or answered meanwhile, and cannot be taken back.")
    slot_give_back(offer)
    offer.delete()
