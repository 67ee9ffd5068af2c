"""Who may touch which object of labeling, for pages and API alike.

A stranger is told that the object does not exist; a member with another role is told that they may not.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from labeling.models import CurationStep, Import, Prompt, Snapshot
from people.models import Role, User
from people.permissions import project_get

__all__ = ["object_get", "project_get"]

Owned = TypeVar("Owned", CurationStep, Import, Prompt, Snapshot)


def object_get(user: User | AnonymousUser, kind: type[Owned], pk: Any, roles: tuple[Role, ...]) -> Owned:
    """An object of a project in which the user holds one of `roles`; Http404 or PermissionDenied as `project_get`."""
    found = kind._default_manager.select_related("project").filter(pk=pk).first()
    if found is None:
        raise Http404(f"No such {kind._meta.verbose_name}.")
    project_get(user, found.project.slug, roles)
    return found
