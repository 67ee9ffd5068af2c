"""Who may touch which object of labeling, for pages and API alike.

A stranger is told that the object does not exist; a member with another role is told that they may not.
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from people.access import has_role
from people.models import Project, Role, User

_MEMBERS = tuple(Role)


def project_require(user: User | AnonymousUser, project: Project, roles: tuple[Role, ...]) -> Project:
    """The project, if the user holds one of `roles` in it.

    Raises Http404 for strangers and PermissionDenied for members with another role.
    """
    if has_role(user, project, roles):
        return project
    if has_role(user, project, _MEMBERS):
        raise PermissionDenied("Your role in this project does not allow this.")
    raise Http404("No such project.")


def project_get(user: User | AnonymousUser, slug: str, roles: tuple[Role, ...]) -> Project:
    """The project of that slug, under the same rule as `project_require`."""
    try:
        project = Project.objects.get(slug=slug)
    except Project.DoesNotExist as error:
        raise Http404("No such project.") from error
    return project_require(user, project, roles)
