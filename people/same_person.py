"""A page that is sent by somebody else than it was made for.

Pages put the id of the person whom they were made for into `X-Person`, and take the newest CSRF token, so that an open
page goes on after signing in again in another tab. Where it was another person who signed in, what stands on the page
is not theirs.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_SAFE = ("GET", "HEAD", "OPTIONS")


def same_person(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that answers 409 to what changes something and comes from another person's page."""

    def answered(request: HttpRequest) -> HttpResponse:
        made_for = request.headers.get("X-Person")
        changes = made_for and request.method not in _SAFE and request.user.is_authenticated
        if changes and made_for != str(request.user.pk):
            return HttpResponse("Somebody else is signed in now.\n", status=409, content_type="text/plain")
        return get_response(request)

    return answered
