"""What every page knows: where the signed-in person may go."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from people.access import FOLLOWING, LABELING, MANAGING, REVIEWING
from people.models import Membership


def navigation(request: HttpRequest) -> dict[str, object]:
    """The main navigation, by the person's roles; read from the database only where a template shows it."""
    return {"navigation": SimpleLazyObject(lambda: _links(request))}


def _links(request: HttpRequest) -> list[dict[str, object]]:
    user = getattr(request, "user", None)  # none yet where an error came before the session was read
    if user is None or not user.is_authenticated:
        return []
    if user.is_superuser:
        roles: set[str] = {*LABELING, *FOLLOWING}
    else:
        roles = set(Membership.objects.filter(user_id=user.pk).values_list("role", flat=True))
    links = []
    if roles & set(LABELING):
        links.append(("Label", "/label/"))
    if roles & set(REVIEWING):
        links.append(("Review", "/review/"))
    if roles & set(MANAGING):
        links.append(("Data", "/data/"))
    if roles & set(FOLLOWING):
        links += [("Runs", "/runs/"), ("Models", "/models/")]
    if user.is_staff:
        links.append(("Admin", "/admin/"))
    return [{"name": name, "url": url, "on": request.path.startswith(url)} for name, url in links]
