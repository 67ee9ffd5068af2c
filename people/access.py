"""The one place that says who may do what: pure questions about a user and a project.

Superusers may do everything. An answer is about an object, never about a page.
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from people.models import Membership, Project, Role, Scope, User

LABELING = (Role.LABELER, Role.REVIEWER, Role.MANAGER)
MANAGING = (Role.MANAGER,)
REVIEWING = (Role.REVIEWER, Role.MANAGER)
TRAINING = (Role.ENGINEER, Role.MANAGER)
FOLLOWING = (Role.ENGINEER, Role.MANAGER, Role.REVIEWER)
NAMING = (Role.REVIEWER, Role.MANAGER)  # see who gave a label; others who follow see a pseudonym


def has_role(user: User | AnonymousUser, project: Project, roles: tuple[Role, ...]) -> bool:
    """Whether the user holds one of `roles` in the project."""
    if not user.is_authenticated or not user.is_active:
        return False
    if user.is_superuser:
        return True
    return Membership.objects.filter(user_id=user.pk, project=project, role__in=roles).exists()


def roles_of(user: User | AnonymousUser, project: Project) -> frozenset[str]:
    """The roles that the user holds in the project; every role for a superuser."""
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Role)
    mine = Membership.objects.filter(user_id=user.pk, project=project).order_by()
    return frozenset(mine.values_list("role", flat=True))


def projects_for(user: User | AnonymousUser, roles: tuple[Role, ...]) -> QuerySet[Project]:
    """The projects in which the user holds one of `roles`."""
    if not user.is_authenticated or not user.is_active:
        return Project.objects.none()
    if user.is_superuser:
        return Project.objects.all()
    mine = Membership.objects.filter(user_id=user.pk, role__in=roles).values("project_id")
    return Project.objects.filter(pk__in=mine)


def scopes_of(user: User) -> set[Scope]:
    """The scopes of a token that some role of the user makes use of; a token may have others, which open nothing."""
    if user.is_superuser or user.is_staff:  # staff make projects, which they then manage
        return set(Scope)
    roles = set(Membership.objects.filter(user_id=user.pk).values_list("role", flat=True))
    uses = {Scope.LABEL: LABELING, Scope.REVIEW: REVIEWING, Scope.MANAGE: MANAGING, Scope.TRAIN: TRAINING}
    return {Scope.READ, *(scope for scope, may in uses.items() if roles & set(may))}
