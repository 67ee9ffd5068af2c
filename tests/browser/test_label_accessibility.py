"""Every labeler's page by axe, in light and dark, wide and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.services.claims import assignment_claim_next
from labeling.services.drafts import assignment_save_draft
from labeling.services.rankings import ranking_submit
from tests.browser.conftest import PHONE, WIDE
from tests.browser.label_data import everyday, pension_task
from tests.labeling.work import make_demonstration_task, make_labeler, make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BASIL = [
    {"role": "system", "content": "You are a patient cooking teacher."},
    {"role": "user", "content": "My basil keeps dying on the window sill. What am I doing wrong?"},
    {"role": "assistant", "content": "How often do you water it, and does the pot drain?"},
    {"role": "user", "content": "Every day, and no, there is no hole in the pot."},
]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_breaks_a_rule(open_page, axe, size, dark):
    project, ada = everyday()
    done = pension_task(project, priority=9)
    submitted = assignment_claim_next(labeler=ada, project=project)
    groups = [[str(c.completion_id)] for c in done.task_completions.all()]
    ranking_submit(assignment_id=submitted.pk, labeler=ada, key="k", groups=groups, ratings={groups[0][0]: 7})
    pension_task(project)
    make_demonstration_task(project, prompt=make_prompt(project, messages=BASIL, category="Chat"))
    ranking = assignment_claim_next(labeler=ada, project=project, kind="ranking")
    draft = {"ranks": {ranking.shown_order[0]: 1, ranking.shown_order[1]: 1}, "note": "Close."}
    assignment_save_draft(assignment_id=ranking.pk, labeler=ada, draft=draft)
    writing = assignment_claim_next(labeler=ada, project=project, kind="demonstration")

    page = open_page("/label/", ada, size=size, dark=dark)
    assert axe(page) == []
    page.goto(f"/label/a/{ranking.pk}/")
    expect(page.locator(".row.tie")).to_have_count(1)
    assert axe(page) == []
    page.locator(".brief summary").click()
    page.get_by_text("Skip", exact=True).click()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert axe(page) == []
    page.goto(f"/label/a/{writing.pk}/")
    assert axe(page) == []
    page.goto(f"/label/a/{submitted.pk}/")
    assert axe(page) == []
    page.goto("/label/everyday/instructions/")
    assert axe(page) == []


def test_a_simulated_labeler_sees_that_it_is_one(open_page):
    project, _ = everyday()
    robot = make_labeler(project, "robot", is_simulated=True)
    page = open_page("/label/", robot)
    expect(page.get_by_text("Simulated labeler")).to_be_visible()
