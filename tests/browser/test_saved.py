"""The place that says what is saved: true after refusals, lost answers and changes that are taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment
from tests.browser.conftest import cut_off

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(desk) -> Page:
    """Ada's page with a beginning that is saved."""
    desk.get_by_label("Your answer").press_sequentially("ab")
    expect(desk.locator("#saved")).to_contain_text("Saved ")
    return desk


def test_a_refused_draft_that_is_taken_back_leaves_what_is_saved(page):
    page.route("**/draft/", lambda route: route.fulfill(status=400, json={"detail": "The draft is too long."}))
    page.get_by_label("Your answer").press_sequentially("c")
    expect(page.locator("#saved.bad")).to_have_text("The draft is too long.")
    page.get_by_label("Your answer").press("Backspace")
    expect(page.locator("#saved:not(.bad)")).to_contain_text("Saved ")


def test_what_was_saved_while_more_was_typed_and_taken_back(page):
    held = []
    page.route("**/draft/", lambda route: route.fallback() if held else held.append(route))
    with page.expect_request("**/draft/"):
        page.get_by_label("Your answer").press_sequentially("c")
    page.get_by_label("Your answer").press_sequentially("d")
    with page.expect_response("**/draft/"):
        held[0].continue_()
    page.get_by_label("Your answer").press("Backspace")
    expect(page.locator("#saved")).to_contain_text("Saved ")
    page.wait_for_function("() => Object.keys(localStorage).length === 0")  # the server has it all
    assert Assignment.objects.get().draft == {"text": "abc"}


@pytest.mark.parametrize("arrives", [False, True])
def test_what_is_typed_after_a_lost_answer_and_a_change_taken_back_is_saved(page, arrives):
    with cut_off(page, "**/draft/", arrives=arrives):
        page.get_by_label("Your answer").press_sequentially("c")
        expect(page.locator("#saved")).to_have_text("Not saved, trying again")
        page.get_by_label("Your answer").press("Backspace")
    expect(page.locator("#saved")).to_contain_text("Saved ")
    assert Assignment.objects.get().draft == {"text": "ab"}
    with page.expect_response("**/draft/"):
        page.get_by_label("Your answer").press_sequentially("d")
    page.wait_for_function("() => Object.keys(localStorage).length === 0")
    assert Assignment.objects.get().draft == {"text": "abd"}


def test_nothing_is_said_to_be_saved_while_drafts_and_submits_do_not_arrive(page):
    with cut_off(page, "**/draft/", arrives=False), cut_off(page, page.url, arrives=False):
        page.get_by_label("Your answer").press_sequentially("c")
        expect(page.locator("#saved")).to_have_text("Not saved, trying again")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#away")).to_contain_text("Not sent: no answer from the server.")
        expect(page.locator("#saved.bad")).to_have_text("Not saved, trying again")
        page.get_by_role("button", name="Go on working on it").click()
        page.get_by_label("Your answer").press_sequentially("d")
        expect(page.locator("#saved.bad")).to_have_text("Not saved, trying again")
    expect(page.locator("#saved:not(.bad)")).to_contain_text("Saved ")
    page.wait_for_function("() => Object.keys(localStorage).length === 0")
    assert Assignment.objects.get().draft == {"text": "abcd"}
