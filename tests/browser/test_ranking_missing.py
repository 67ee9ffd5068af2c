"""Submitting a ranking that is not finished: by key or by the button, one sentence says what is missing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment, ProjectSetup, Ranking, RatingForm
from labeling.services.claims import assignment_claim_next
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import everyday, pension_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FIELDS = [
    {"name": "overall", "label": "Overall quality", "type": "scale", "required": True},
    {"name": "tone", "label": "Tone", "type": "choice", "options": ["warm", "cold"]},
    {"name": "why", "label": "Why", "type": "text", "required": True},
]
ABOUT_PROMPT = [{"name": "clear", "label": "Clear", "type": "flag", "required": True}]


@pytest.fixture
def desk(open_page):
    """`desk(fields, about_prompt, **options)`: the ranking page of three answers, and what it tried to submit."""
    project, ada = everyday()

    def start(fields=(), about_prompt=(), **options) -> tuple[Page, list[str]]:
        if fields:
            RatingForm.objects.create(
                project=project, version=1, fields=list(fields), prompt_fields=list(about_prompt)
            )
        pension_task(project, ("The first answer.", "The second answer.", "The third answer."))
        assignment = assignment_claim_next(labeler=ada, project=project)
        path = f"/label/a/{assignment.pk}/"
        page = open_page(path, ada, **options)
        expect(page.locator(".tile")).to_have_count(3)
        sent: list[str] = []
        page.on(
            "request",
            lambda request: (
                sent.append(request.url) if request.method == "POST" and request.url.endswith(path) else None
            ),
        )
        return page, sent

    return start


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def by_key(page: Page) -> None:
    page.keyboard.press("Control+Enter")


def by_click(page: Page) -> None:
    # By force: Playwright itself would wait for a button that says it is disabled.
    page.locator("#submit").click(force=True)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("submit", [by_key, by_click])
def test_the_answers_that_have_no_rank_are_named_and_nothing_is_sent(desk, submit, size):
    page, sent = desk(size=size)
    refusal = page.locator("#refusal")
    expect(refusal).to_be_hidden()
    submit(page)
    expect(refusal).to_have_text("Not submitted: first rank answers A, B and C.")
    expect(refusal).to_be_focused()
    expect(refusal).to_be_in_viewport(ratio=1)
    press(page, "Shift+Digit2")
    expect(refusal).to_be_hidden()  # it is no longer true
    press(page, "j", "j", "Shift+Digit1")
    submit(page)
    expect(refusal).to_have_text("Not submitted: first rank answer B.")
    expect(page.locator("#submit")).to_be_disabled()
    assert sent == []
    press(page, "k", "Shift+Digit3")
    expect(refusal).to_be_hidden()
    expect(page.locator("#submit")).to_be_enabled()
    submit(page)
    page.wait_for_url("**/label/")
    a, b, c = Assignment.objects.get().shown_order
    assert Ranking.objects.get().groups == [[c], [a], [b]]


@pytest.mark.parametrize("submit", [by_key, by_click])
def test_what_the_form_requires_is_named_by_its_label(desk, submit):
    page, sent = desk(FIELDS, ABOUT_PROMPT)
    press(page, "4", "Shift+Digit1", "j", "Shift+Digit2", "j", "Shift+Digit3")
    page.get_by_label("Why: answer B").fill("Too short")
    submit(page)
    expect(page.locator("#refusal")).to_have_text(
        "Not submitted: first fill in “Why” of answers A and C; fill in “Overall quality” of answers B and C; "
        "fill in “Clear” about the prompt."
    )
    expect(page.locator("#left")).to_have_text("3 of 3 left to rate, 1 left about the prompt")
    assert sent == []


def test_how_much_better_is_asked_of_the_two_ranks_by_name(desk):
    ProjectSetup.objects.update(strength_levels=3)
    page, sent = desk()
    press(page, "r", "2", "j", "1", "j", "2", "Control+Enter")
    expect(page.locator("#refusal")).to_have_text("Not submitted: first say how much better B is than A and C.")
    assert sent == []


def test_all_bad_lacks_no_rank(desk):
    page, _ = desk()
    press(page, "Shift+Digit1", "Control+Enter")
    expect(page.locator("#refusal")).to_have_text("Not submitted: first rank answers B and C.")
    press(page, "0", "x", "Control+Enter")
    page.wait_for_url("**/label/")
    assert Ranking.objects.get().all_bad
