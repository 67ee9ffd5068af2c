"""The curation page in a browser: a step is run by keyboard, followed, looked at and undone; accessible everywhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.models import CurationStep, Prompt
from labeling.services.curation import curation_create, curation_execute
from people.models import Membership, Project, Role, User
from tests.browser.conftest import PHONE, WIDE
from tests.labeling.imported import run_import

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINES = [
    {"id": "a", "prompt": "Explain the water cycle to a child.", "author": "ana"},
    {"id": "b", "prompt": "explain the  water cycle to a child.", "author": "bo"},
    {"id": "c", "prompt": "اكتب لي قصيدة قصيرة عن البحر", "author": "cy"},
    {"id": "d", "prompt": "Answer this letter of anna@example.org: " + "a long text " * 80, "author": "di"},
]


@pytest.fixture
def project() -> Project:
    project = Project.objects.create(slug="demo", name="Everyday assistant")
    run_import(project, LINES)
    return project


@pytest.fixture
def manager(project) -> User:
    user = User.objects.create_user("maria")
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    return user


def test_a_step_by_keyboard_from_asking_to_undoing(open_page, project, manager):
    page = open_page("/data/demo/", manager)
    page.get_by_role("link", name="Curation").press("Enter")
    page.locator("summary").get_by_text("Exact duplicates").press("Enter")
    page.get_by_role("button", name="Run Exact duplicates").press("Enter")
    step = page.get_by_role("article", name="Exact duplicates")
    expect(step).to_contain_text("Queued")
    assert curation_execute(step_id=CurationStep.objects.get().pk)  # what the worker does; the page is not touched
    expect(page.get_by_text("1 dropped of 4")).to_be_visible()
    page.get_by_role("link", name="Look at what Exact duplicates did").press("Enter")
    expect(page.get_by_text("Reads the same as an earlier prompt.")).to_be_visible()
    expect(page.get_by_text("explain the  water cycle to a child.", exact=True)).to_be_visible()
    page.get_by_role("link", name="Curation of Everyday assistant").press("Enter")
    page.get_by_role("button", name="Undo Exact duplicates").press("Enter")
    expect(step).to_contain_text("to be undone")
    assert curation_execute(step_id=CurationStep.objects.get().pk)
    expect(step).to_contain_text("1 prompt came back as it was.")
    assert not Prompt.objects.exclude(dropped_by=None).exists()
    expect(page.locator("[hx-trigger]")).to_have_count(0)


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_and_nothing_sticks_out(open_page, axe, project, manager, size, dark):
    steps = {}
    for rule in CurationStep.Rule.values:
        steps[rule] = curation_create(project=project, rule=rule, options={}, user=manager)
        assert curation_execute(step_id=steps[rule].pk)
    failed = curation_create(project=project, rule="cap", options={"most": 1}, user=manager)
    CurationStep.objects.filter(pk=failed.pk).update(state="failed", error="Unexpected error; nothing was changed.")
    curation_create(project=project, rule="near", options={}, user=manager)
    page = open_page("/data/demo/curation/", manager, size=size, dark=dark)
    for name in ("Personal data masked", "Cap per author"):
        page.locator("summary").get_by_text(name).click()
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    for rule in ("exact", "pii"):
        page.goto(f"/data/demo/curation/{steps[rule].pk}/")
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
