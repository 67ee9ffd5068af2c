"""Comparisons in a dialogue, evaluations and corrections on the ranking page; a huge answer; every state by axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.forms import INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS
from labeling.models import Assignment, Instructions, ProjectSetup, Prompt, Ranking, RatingForm, Task
from labeling.services.claims import assignment_claim_next
from labeling.services.rankings import ranking_submit
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import everyday, pension_task
from tests.labeling.work import make_prompt, make_ranking_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BASIL = [
    {"role": "system", "content": "You are a patient cooking teacher."},
    {"role": "user", "content": "My basil keeps dying on the window sill."},
    {"role": "assistant", "content": "How often do you water it?"},
    {"role": "user", "content": "Every day, and there is no hole in the pot."},
]
REPLIES = ("Then it drowns: take a pot with a hole.", "Basil likes company.", "Water it twice a day.")


@pytest.fixture
def world():
    return everyday()


@pytest.fixture
def desk(open_page, world):
    """`desk(kind)`: the page of one task of that kind."""
    project, ada = world
    ProjectSetup.objects.filter(project=project).update(kinds=[str(kind) for kind in Task.Kind])

    def start(kind="ranking", path="", **options) -> Page:
        task = make_ranking_task(project, REPLIES, prompt=make_prompt(project, messages=BASIL))
        Task.objects.filter(pk=task.pk).update(kind=kind)
        assignment = assignment_claim_next(labeler=ada, project=project)
        return open_page(f"/label/a/{assignment.pk}/{path}", ada, **options)

    return start


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_the_chosen_reply_and_the_next_message_go_on_with_the_dialogue(desk):
    page = desk("comparison")
    expect(page.get_by_role("heading", name="Dialogue so far")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(4)
    press(page, "r", "3", "j", "1", "j", "2")
    page.get_by_label("Go on with the dialogue").fill("I have a pot with a hole now. What else?")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    ranking = Ranking.objects.get()
    turn = Prompt.objects.get(parent=ranking.prompt)
    best = ranking.assignment.task.completions.get(pk=ranking.groups[0][0])
    assert turn.messages[4:] == [
        {"role": "assistant", "content": best.text},
        {"role": "user", "content": "I have a pot with a hole now. What else?"},
    ]


def test_a_message_after_a_tie_at_the_top_is_refused_and_nothing_is_submitted(desk):
    page = desk("comparison")
    press(page, "r", "1", "j", "1", "j", "2")
    page.get_by_label("Go on with the dialogue").fill("And then?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#refusal")).to_contain_text("2 replies share the first rank")
    expect(page.get_by_label("Go on with the dialogue")).to_have_value("And then?")
    assert not Ranking.objects.exists()
    page.locator("#answer-B").click(position={"x": 300, "y": 10})
    press(page, "2", "Control+Enter")
    page.wait_for_url("**/label/")
    assert Ranking.objects.count() == 1
    assert Prompt.objects.filter(parent__isnull=False).count() == 1


def test_an_evaluation_shows_its_own_priorities(desk):
    Instructions.objects.update(training_priorities="Helpful first.", evaluation_priorities="Truth and harm first.")
    page = desk("evaluation")
    expect(page.locator(".priorities")).to_contain_text("Truth and harm first.")
    expect(page.locator(".prompt .chip")).to_have_text("Evaluation")


def test_a_ranking_is_corrected_on_the_same_page(desk, world):
    _, ada = world
    page = desk()
    assignment = Assignment.objects.get()
    a, b, c = assignment.shown_order
    ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=[[b], [a, c]], ratings={a: 3}, note="Hm.")
    page.goto(f"/label/a/{assignment.pk}/?correct=1")
    expect(page.locator('.row[data-rank="2"] .letter')).to_have_count(2)
    expect(page.get_by_label("Note on this ranking")).to_have_value("Hm.")
    page.locator("#answer-C").click(position={"x": 300, "y": 10})
    press(page, "Shift+Digit1", "5")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/label/history/{assignment.pk}/")
    old, new = Ranking.objects.order_by("created_at")
    assert old.superseded_at is not None
    assert (old.groups, new.superseded_at) == ([[b], [a, c]], None)
    assert [sorted(group) for group in new.groups] == [sorted([b, c]), [a]]
    assert {str(r.completion_id): r.overall for r in new.ratings.all()} == {a: 3, c: 5}


def test_an_answer_of_a_megabyte_is_shown_and_ranked(open_page, world):
    project, ada = world
    pension_task(project, ("word " * 200_000, "short"))
    assignment = assignment_claim_next(labeler=ada, project=project)
    page = open_page(f"/label/a/{assignment.pk}/", ada)
    expect(page.get_by_text("Show all 200000 words")).to_be_visible()
    press(page, "r", "2", "j", "1", "Control+Enter")
    page.wait_for_url("**/label/")
    assert Ranking.objects.count() == 1


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_state_of_the_page_breaks_a_rule(desk, world, axe, size, dark):
    project, ada = world
    RatingForm.objects.create(
        project=project,
        version=1,
        fields=[field.as_json() for field in INSTRUCTGPT_FIELDS],
        prompt_fields=[field.as_json() for field in INSTRUCTGPT_PROMPT_FLAGS],
    )
    ProjectSetup.objects.filter(project=project).update(strength_levels=4)
    page = desk("comparison", size=size, dark=dark)
    for radio in page.locator(".field-scale input[value='4']").all():
        radio.check()
    press(page, "r", "3", "k", "2", "k", "1", "x")
    page.locator(".more-fields summary").first.click()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.locator(".compare-link").first.click()
    expect(page.locator("#compare .difference")).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_text("Add a note").click()
    expect(page.locator("#saved")).to_contain_text("Saved")  # or what waits to be saved would meet the other tab first
    Assignment.objects.update(draft={"note": "Elsewhere."}, draft_number=99)
    page.get_by_label("Note on this ranking").fill("Here.")
    expect(page.locator("#conflict")).to_be_visible()
    assert axe(page) == []
    page.goto(f"/label/a/{Assignment.objects.get().pk}/compare/?left=B&right=C")
    assert axe(page) == []
