"""One task in two tabs: what they did to different things is put together, the same thing is asked about."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment, DraftRevision, Ranking
from labeling.services.claims import assignment_claim_next
from labeling.services.tasks import tasks_withdraw
from tests.browser.label_data import everyday, pension_task
from tests.labeling.work import make_instructions

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tabs(open_page):
    project, ada = everyday()
    pension_task(project, ("The first answer.", "The second answer.", "The third answer."))
    assignment = assignment_claim_next(labeler=ada, project=project)
    pages = [open_page(f"/label/a/{assignment.pk}/", ada) for _ in range(2)]  # two browsers
    for page in pages:
        expect(page.locator(".tile")).to_have_count(3)
    return pages


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def order(page: Page) -> str:
    rows = [page.locator(f'.row[data-rank="{rank}"] .letter').all_inner_texts() for rank in (1, 2, 3)]
    return " ".join("".join(row) for row in rows).strip()


def saved(page: Page) -> None:
    expect(page.locator("#saved")).to_contain_text("Saved ")


def test_different_things_are_put_together(tabs):
    one, two = tabs
    press(one, "6", "j", "3")
    saved(one)
    press(two, "r", "2", "j", "1", "j", "3")
    saved(two)
    expect(two.locator("#conflict")).to_be_hidden()
    a, b, c = Assignment.objects.get().shown_order
    draft = Assignment.objects.get().draft
    assert draft["ranks"] == {a: 2, b: 1, c: 3}
    assert draft["ratings"] == {a: {"overall": 6}, b: {"overall": 3}}
    expect(two.locator("#answer-A input:checked")).to_have_value("6")
    one.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when it is looked at again
    expect(one.locator('.row[data-rank="1"] .letter')).to_have_text("B")


@pytest.mark.parametrize("choice", ["Keep this one", "Take the other"])
def test_the_same_thing_is_asked_about(tabs, choice):
    one, two = tabs
    press(one, "r", "1", "j", "2", "j", "3")
    saved(one)
    press(two, "r", "3", "j", "2", "j", "1", "7")
    panel = two.locator("#conflict")
    expect(panel.get_by_role("heading", name="The ranking")).to_be_visible()
    expect(panel).to_contain_text("C > B > A")
    expect(panel).to_contain_text("A > B > C")
    two.keyboard.press("Control+Enter")  # nothing is submitted before it is settled
    assert not Ranking.objects.exists()
    panel.get_by_role("button", name=f"{choice}: The ranking").click()
    saved(two)
    expect(panel).to_be_hidden()
    expected = {"Keep this one": "C B A", "Take the other": "A B C"}[choice]
    assert order(two) == expected
    ranks = Assignment.objects.get().draft["ranks"]
    shown = Assignment.objects.get().shown_order
    assert " ".join("ABC"[shown.index(i)] for i in sorted(ranks, key=ranks.get)) == expected


def test_a_note_in_both_tabs_loses_no_word(tabs):
    one, two = tabs
    for page, text in ((one, "From the first tab."), (two, "From the second tab.")):
        page.get_by_text("Add a note").click()
        page.get_by_label("Note on this ranking").fill(text)
        if page is one:
            saved(one)
    expect(two.locator("#conflict")).to_contain_text("From the first tab.")
    two.reload()  # the question is still there
    expect(two.locator("#conflict")).to_contain_text("From the first tab.")
    expect(two.get_by_label("Note on this ranking")).to_have_value("From the second tab.")
    two.get_by_role("button", name="Keep this one: The note").click()
    saved(two)
    assert Assignment.objects.get().draft["note"] == "From the second tab."
    assert DraftRevision.objects.exists()


def test_the_second_tab_to_submit_is_told(tabs):
    one, two = tabs
    press(two, "r", "2", "j", "1", "j", "1")
    saved(two)
    press(one, "r", "j")
    one.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(one.locator("#left")).to_have_text("All ranked")
    one.keyboard.press("Control+Enter")
    one.wait_for_url("**/label/")
    two.keyboard.press("Control+Enter")
    expect(two.locator("#refusal")).to_contain_text("You have submitted this task already")
    assert Ranking.objects.count() == 1


def test_what_changes_meanwhile_is_said_and_the_work_is_still_taken(tabs):
    page = tabs[0]
    press(page, "r", "2", "j", "1", "j", "3")
    saved(page)
    withdrawn, instructions = page.locator("#withdrawn"), page.locator("#new-instructions")
    expect(withdrawn).to_be_hidden()
    expect(instructions).to_be_hidden()
    task = Assignment.objects.get().task
    tasks_withdraw(prompts=[task.prompt_id])
    make_instructions(task.project, version=8)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when it is looked at again
    expect(withdrawn).to_contain_text("This task was withdrawn after you took it. What you submit is kept")
    expect(instructions).to_contain_text("your label is given under version 7")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/instructions/**")  # which are read before the next task
    assert Ranking.objects.get().instructions_version == 7
    expect(page.get_by_role("status").first).to_contain_text("withdrawn meanwhile; your label is kept")
