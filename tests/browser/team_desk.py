"""A task that is open with the fold to ask the team, for the browser tests of words beside the work."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from labeling.services.claims import assignment_claim_next
from people.models import Role
from tests.browser.label_data import everyday
from tests.labeling.work import make_demonstration_task, make_labeler, make_prompt

QUESTION = "May I name a brand?"
ASK = "Ask the reviewers and managers"


@pytest.fixture
def people():
    """A project, Ada with an open task, Mia who manages, and Ada's assignment."""
    project, ada = everyday()
    make_demonstration_task(project, prompt=make_prompt(project, "Which soap is best?"))
    assignment = assignment_claim_next(labeler=ada, project=project)
    return project, ada, make_labeler(project, "mia", role=Role.MANAGER, password="plumb the heights"), assignment


@pytest.fixture
def desk(open_page, people):
    """Ada's page with the fold open."""
    page = open_page(f"/label/a/{people[3].pk}/", people[1])
    ready(page)
    page.get_by_text("Ask the team about this task").click()
    return page


def ready(page: Page) -> None:
    """Wait until the page's scripts have come."""
    page.wait_for_function("() => window.htmx && document.readyState === 'complete'")


def kept(page: Page) -> list[str]:
    """The words that the browser keeps, of all fields."""
    return page.evaluate("Object.values(localStorage).map((entry) => JSON.parse(entry).words).filter(Boolean)")


def ask(page: Page, button: str = "Ask") -> None:
    """Press a button of the thread."""
    page.get_by_role("button", name=button, exact=True).click()


def sign_in(page: Page, name: str, password: str) -> None:
    """Sign in on the page where somebody may be signed in."""
    page.goto("/")
    if page.get_by_role("button", name="Sign out").count():
        page.get_by_role("button", name="Sign out").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
