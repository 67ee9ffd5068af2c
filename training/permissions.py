"""Who may see and start runs: the object decides. Unknown or foreign is 404, known without the role 403."""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404

from people.access import FOLLOWING, has_role, projects_for
from people.models import Project, Role, User
from training.models import Checkpoint, PublishedSnapshot, Run

Viewer = User | AnonymousUser
_ANY = tuple(Role)
_Row = TypeVar("_Row", Run, Checkpoint, PublishedSnapshot)


def require(user: Viewer, project: Project, roles: tuple[Role, ...]) -> None:
    """Raise Http404 for who is no member of the project, PermissionDenied for a member without one of `roles`."""
    if has_role(user, project, roles):
        return
    if not has_role(user, project, _ANY):
        raise Http404
    raise PermissionDenied


def projects_required(user: Viewer, roles: tuple[Role, ...]) -> QuerySet[Project]:
    """The projects in which the user holds one of `roles`. Raises PermissionDenied where there is none."""
    projects = projects_for(user, roles)
    if not projects.exists():
        raise PermissionDenied
    return projects


def run_required(user: Viewer, run_id: int, roles: tuple[Role, ...] = FOLLOWING) -> Run:
    """The run, if the user holds one of `roles` in its project."""
    found = Run.objects.select_related("project", "snapshot", "policy", "reward", "requested_by").filter(pk=run_id)
    return _allowed(user, found.first(), roles)


def checkpoint_required(user: Viewer, digest: str) -> Checkpoint:
    """The model version, if the user follows its project."""
    found = Checkpoint.objects.select_related("project", "run__snapshot", "run__policy", "run__reward")
    return _allowed(user, found.filter(digest=digest).first(), FOLLOWING)


def snapshot_required(user: Viewer, digest: str) -> PublishedSnapshot:
    """The snapshot, if the user follows its project."""
    found = PublishedSnapshot.objects.select_related("project").filter(digest=digest).first()
    return _allowed(user, found, FOLLOWING)


def _allowed(user: Viewer, row: _Row | None, roles: tuple[Role, ...]) -> _Row:
    if row is None:
        raise Http404
    require(user, row.project, roles)
    return row
