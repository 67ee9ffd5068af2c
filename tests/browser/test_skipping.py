"""A skip that the server refuses, in a real browser: its panel stays open as it was filled in and says why."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.models import Assignment
from labeling.services.claims import assignment_claim_next
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import everyday, pension_task
from tests.labeling.work import make_demonstration_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("size", [WIDE, {"width": 1280, "height": 600}, PHONE], ids=["wide", "low", "phone"])
@pytest.mark.parametrize("kind", ["ranking", "demonstration"])
def test_a_refused_skip_says_why_beside_what_was_given_and_can_be_mended(open_page, axe, kind, size):
    project, ada = everyday()
    pension_task(project) if kind == "ranking" else make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    page = open_page(f"/label/a/{assignment.pk}/", ada, size=size)
    if kind == "ranking":
        page.keyboard.press("Shift+Digit2")
    else:
        page.get_by_label("Your answer").fill("Half a thought")
    page.get_by_text("Skip", exact=True).click()
    page.get_by_role("radio", name="Something is broken").check()
    page.get_by_role("button", name="Skip and go on").click()
    refusal = page.locator(".skip-task").get_by_role("alert")
    expect(refusal).to_have_text("Say in a few words what is broken, so that it can be mended.")
    expect(refusal).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("radio", name="Something is broken")).to_be_checked()
    expect(page.get_by_label("In a few words")).to_be_focused()
    expect(page.get_by_label("In a few words")).to_be_in_viewport(ratio=1)
    if size in (WIDE, PHONE):
        expect(page.get_by_role("button", name="Or leave it for now")).to_be_in_viewport(ratio=1)
    if kind == "ranking":
        expect(page.locator('.row[data-rank="2"] .tile')).to_have_count(1)
    else:
        expect(page.get_by_label("Your answer")).to_have_value("Half a thought")
    assert axe(page) == []
    page.get_by_label("In a few words").fill("The prompt is cut off")
    page.get_by_role("button", name="Skip and go on").click()
    page.wait_for_url("**/label/")
    skipped = Assignment.objects.get()
    assert (skipped.state, skipped.skip_kind, skipped.skip_reason) == ("skipped", "broken", "The prompt is cut off")


def test_without_script_the_panel_stays_open_too(open_page):
    project, ada = everyday()
    make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    page = open_page(f"/label/a/{assignment.pk}/", ada, java_script_enabled=False)
    page.get_by_text("Skip", exact=True).click()
    page.get_by_role("radio", name="Something is broken").check()
    page.get_by_role("button", name="Skip and go on").click()
    expect(page.locator(".skip-task").get_by_role("alert")).to_be_visible()
    page.get_by_label("In a few words").fill("Cut off")
    page.get_by_role("button", name="Skip and go on").click()
    page.wait_for_url("**/label/")
    assert Assignment.objects.get().skip_reason == "Cut off"
