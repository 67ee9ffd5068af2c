"""Who may see and change a project's people. A stranger is told that there is no such project."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from people.access import roles_of
from people.models import Project, Role, User


def project_get(user: User | AnonymousUser, slug: str, roles: tuple[Role, ...]) -> Project:
    """The project of that slug, if the user holds one of `roles` in it.

    Raises Http404 for strangers and unknown slugs, PermissionDenied for members with another role.
    """
    project = Project.objects.filter(slug=slug).first()
    held = roles_of(user, project) if project is not None else frozenset()
    if project is None or not held:
        raise Http404("No such project.")
    if held.isdisjoint(roles):
        raise PermissionDenied("Your role in this project does not allow this.")
    return project
