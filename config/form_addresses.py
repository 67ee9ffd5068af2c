"""Addresses that take what a form sends and are no pages: who comes to one still gets a page."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

Answer = Callable[[HttpRequest], HttpResponse]


def with_pages(answer: Answer) -> Answer:
    """Middleware: who has to sign in to send a form comes back to the form's page, not to the address that only takes
    it; and a person who opens such an address gets a page, with 405.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        is_person = "text/html" in request.headers.get("Accept", "")
        if request.method == "POST" and _asks_to_sign_in_for(request.get_full_path(), response):
            if is_person:  # scripts say it themselves
                messages.warning(request, "You were signed out, so nothing was sent and nothing changed.")
            return redirect_to_login(_page_before(request), settings.LOGIN_URL)
        if response.status_code == 405 and is_person and request.method == "GET" and not response.content:
            page = render(request, "405.html", status=405)
            page.headers["Allow"] = response.headers.get("Allow", "")
            return page
        return response

    return middleware


def _asks_to_sign_in_for(address: str, response: HttpResponse) -> bool:
    to = urlsplit(response.get("Location", ""))
    return to.path == settings.LOGIN_URL and QueryDict(to.query).get("next") == address


def _page_before(request: HttpRequest) -> str:
    """The page of ours from which the request came; the first page where none is named."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return "/"
    path = urlsplit(page)._replace(scheme="", netloc="").geturl()
    return path if url_has_allowed_host_and_scheme(path, None) else "/"  # a path may begin with //another.host
