"""What a browser may load and run on a page: our own files, and nothing else.

Prompts and answers are hostile text. The sanitiser keeps script out of pages; should one get in all the same, the
browser does not run it, and nothing can be sent to another host.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

HEADER = "Content-Security-Policy"
_SHARED = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; "
)
OURS = f"{_SHARED}script-src 'self'; style-src 'self'"
# The admin's Alpine.js evaluates its attributes, and both it and the API's pages have scripts of their own inside.
ADMIN = f"{_SHARED}script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
DOCS = f"{_SHARED}script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"

Answer = Callable[[HttpRequest], HttpResponse]


def content_security_policy(answer: Answer) -> Answer:
    """Middleware that says so on every answer which does not say it itself."""
    admin, docs = reverse("admin:index"), reverse("api-docs")

    def middleware(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        path = request.path
        response.headers.setdefault(HEADER, ADMIN if path.startswith(admin) else DOCS if path == docs else OURS)
        return response

    return middleware
