"""A real Chromium against the real server. In every test pages load nothing from other hosts and have no errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from people.models import User
from scripts.browser import system_browser  # None for the one that Playwright itself installs
from tests.browser.team_desk import desk, people  # noqa: F401 - fixtures

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 20_000  # milliseconds: a page that is right late, on a machine that is busy, is right
expect.set_options(timeout=PATIENCE)
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")  # Playwright's loop ends with it: other tests of the process have loops of their own
def browser() -> Iterator[Browser]:
    """One headless Chromium for a file of tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(headless=True, executable_path=system_browser(), args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(live_server, browser) -> Iterator[Callable[..., Page]]:
    """`open_page(path, user=None, size=WIDE, dark=False, **context)`: a page in a context of its own.

    At the end of the test, script errors, what the security policy stopped and requests to other hosts fail it.
    """
    contexts, problems = [], []

    def go(path: str, user: User | None = None, *, size=WIDE, dark=False, **options) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport=size, color_scheme="dark" if dark else "light", **options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                problems.append(f"{page.url}: {message.text}") if "Content Security Policy" in message.text else None
            ),
        )
        page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((live_server.url, "data:", "blob:"))
                else problems.append(f"{page.url} asked for {request.url}")
            ),
        )
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()
    _let_requests_end()
    assert not problems


def _let_requests_end() -> None:
    """A page that is closed saves its draft; the database is not emptied under that request."""
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(timeout=10)


@contextmanager
def cut_off(page: Page, url: str, *, arrives: bool) -> Iterator[None]:
    """What is sent to `url` meanwhile (all but GET) gets no answer; with `arrives` the server still does what it asks.

    The route stays to the end of the page: Playwright's `unroute` races with a request that it is handling.
    """
    cut = True

    def handle(route: Route) -> None:
        if not cut or route.request.method == "GET":
            route.fallback()
            return
        if arrives:
            route.fetch()
        route.abort()

    page.route(url, handle)
    yield
    cut = False


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """`axe(page)`: the accessibility rules (WCAG 2.2 AA and good practice) that the page breaks, and where."""

    def run(page: Page) -> list[str]:
        found = Axe().run(page).response["violations"]
        return [f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes']]}" for v in found]

    return run
