"""The editor in a real browser: preview, undo across reloads, earlier drafts, what is counted, submit by one key."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import expect

from labeling.models import Assignment, Demonstration, DraftRevision, Flag
from labeling.services.claims import assignment_claim_next
from labeling.services.drafts import assignment_save_draft
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import HOSTILE, everyday
from tests.labeling.work import make_demonstration_task, make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROMAN = ("One", "One two", "One two three")


@pytest.fixture
def desk(open_page):
    """`desk(drafts=…)`: a task in work, its drafts saved one after the other, and the page."""
    cache.clear()
    project, ada = everyday()
    make_demonstration_task(project, prompt=make_prompt(project, "How do I keep basil alive?"))
    assignment = assignment_claim_next(labeler=ada, project=project)

    def start(drafts=(), **options):
        for text in drafts:
            assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": text})
        return open_page(f"/label/a/{assignment.pk}/", ada, **options)

    return start


def editor(page):
    return page.get_by_label("Your answer")


def test_the_preview_shows_what_was_written_and_comes_and_goes_by_key(desk):
    page = desk()
    editor(page).press_sequentially("**Bold** claim")
    page.keyboard.press("Control+e")
    expect(page.locator("#preview strong")).to_have_text("Bold")
    expect(editor(page)).to_be_hidden()
    page.keyboard.press("Control+e")
    expect(editor(page)).to_be_focused()
    editor(page).press("End")
    editor(page).press_sequentially(", and *more*")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview em")).to_have_text("more")


def test_a_hostile_text_is_previewed_and_never_run(desk):
    page = desk()
    editor(page).fill("\n\n".join(HOSTILE))
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("<script>")
    assert page.locator("#preview script, #preview img").count() == 0
    assert page.title() == "Write an answer · Plumbline"


def test_undo_goes_on_beyond_the_reload_and_redo_comes_back(desk):
    page = desk(ROMAN)
    expect(editor(page)).to_have_value("One two three")
    editor(page).press("Control+End")
    editor(page).press_sequentially("!")
    editor(page).press("Control+z")  # the browser's own
    expect(editor(page)).to_have_value("One two three")
    editor(page).press("Control+z")
    expect(editor(page)).to_have_value("One two")
    editor(page).press("Control+z")
    expect(editor(page)).to_have_value("One")
    editor(page).press("Control+z")
    expect(editor(page)).to_have_value("One")
    editor(page).press("Control+y")
    expect(editor(page)).to_have_value("One two")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.reload()
    expect(editor(page)).to_have_value("One two")


def test_an_earlier_draft_is_looked_at_and_written_on_from(desk):
    page = desk(ROMAN)
    page.get_by_text("Earlier drafts").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".revisions li")).to_have_count(3)
    page.locator(".revisions button").nth(2).press("Enter")
    expect(page.get_by_label("The draft as it was")).to_have_value("One")
    page.get_by_role("button", name="Write on from here").press("Enter")
    expect(editor(page)).to_have_value("One")
    expect(editor(page)).to_be_focused()
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert Assignment.objects.get().draft == {"text": "One"}
    assert "One two three" in [r.draft["text"] for r in DraftRevision.objects.all()]


def test_what_is_typed_and_pasted_is_counted_and_said(desk):
    page = desk()
    Assignment.objects.update(claimed_at=timezone.now() - timedelta(minutes=5))
    expect(page.locator("#pasted")).to_contain_text("This page counts characters that are typed and pasted")
    editor(page).press_sequentially("Typed ")
    paste(page, "and pasted")
    expect(page.locator("#pasted")).to_contain_text("6 characters typed and 10 pasted")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.reload()
    expect(page.locator("#pasted")).to_contain_text("6 characters typed and 10 pasted")
    editor(page).press("Control+End")
    editor(page).press_sequentially("!!")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    assert Demonstration.objects.get().text == "Typed and pasted!!"
    assignment = Assignment.objects.get()
    assert assignment.signals == {"typed": 8, "pasted": 10, "pastes": 1}
    assert assignment.focus_seconds <= 300


def paste(page, text):
    """Paste as a person does: by the clipboard and its key."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    editor(page).press("Control+v")


def test_submit_and_next_in_one_key(desk):
    page = desk()
    project = Assignment.objects.get().task.project
    make_demonstration_task(project, prompt=make_prompt(project, "And mint?"))
    editor(page).fill("Water it less.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("And mint?")).to_be_visible()
    expect(editor(page)).to_have_value("")
    assert Demonstration.objects.get().text == "Water it less."


def test_the_length_stands_beside_what_is_usual(desk):
    prompt = make_prompt(Assignment.objects.get().task.project)
    Demonstration.objects.bulk_create(
        Demonstration(prompt=prompt, provenance="imported", external_id=str(n), text="word " * n) for n in range(1, 21)
    )
    page = desk()
    expect(page.locator("#typical")).to_contain_text("Usual here: 2 to 18 words (8 of 10 answers, n = 20)")
    editor(page).fill("One")
    expect(page.locator("#typical.outside")).to_have_count(1)
    editor(page).fill("One two three")
    expect(page.locator("#typical.outside")).to_have_count(0)
    editor(page).fill("word " * 19)
    expect(page.locator("#typical.outside")).to_have_count(1)


def test_a_text_that_is_too_long_is_said_and_never_cut(desk):
    page = desk()
    emoji = "🌿" * 100_000
    editor(page).fill(emoji)
    expect(page.locator("#too-long")).to_be_hidden()  # as the server counts, each is one
    editor(page).fill(emoji + "x")
    expect(page.locator("#too-long")).to_be_visible()
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#refusal")).to_contain_text("100,001 characters long; keep it to 100,000")
    assert editor(page).input_value() == emoji + "x"
    page.reload()
    assert editor(page).input_value() == emoji + "x"


def test_text_from_right_to_left_and_joined_signs_come_back_as_they_were(desk):
    text = "שלום **עולם**\n\nzero\u200bwidth 👩‍👩‍👧‍👦"
    page = desk((text,))
    expect(editor(page)).to_have_value(text)
    assert page.evaluate("getComputedStyle(document.getElementById('text')).direction") == "rtl"
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview strong")).to_have_text("עולם")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_state_of_the_page_breaks_a_rule(desk, axe, size, dark):
    page = desk(ROMAN, size=size, dark=dark)
    assert axe(page) == []
    page.get_by_text("Earlier drafts").click()
    page.locator(".revisions button").first.click()
    expect(page.locator(".draft-shown")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_text("Ask the team about this task").click()
    page.get_by_label("Ask the reviewers and managers").fill("The prompt ends in the middle of a word.")
    page.get_by_role("button", name="Flag the task").click()
    expect(page.get_by_text("You flagged this task")).to_be_visible()
    assert Flag.objects.get().note == "The prompt ends in the middle of a word."
    assert axe(page) == []
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("One two three")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
