"""The ranking page of nine answers of 2,000 words: light to load, and never busy for long."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment
from labeling.services.claims import assignment_claim_next
from tests.browser.label_data import everyday, pension_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SENTENCE = "The *total* expense ratio is `what` you pay for the fund, each year, whatever it earns. "
TEXTS = tuple(f"# Answer {n}\n\n" + (SENTENCE * 16 + "\n\n") * 8 + f"So $x_{n} = 2$." for n in range(9))
WATCH = """
window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => Math.round(entry.duration))))
  .observe({ type: "longtask", buffered: true });
"""


@pytest.fixture
def page(open_page):
    project, ada = everyday()
    pension_task(project, TEXTS)
    assignment = assignment_claim_next(labeler=ada, project=project)
    page = open_page("/label/", ada)
    page.add_init_script(WATCH)
    page.goto(f"/label/a/{assignment.pk}/")
    expect(page.locator(".tile")).to_have_count(9)
    return page


def test_the_answers_are_as_long_as_it_says():
    assert {1950 < len(text.split()) < 2100 for text in TEXTS} == {True}


def test_script_and_style_are_within_sixty_kib_compressed(page):
    bodies = page.evaluate(
        """async () => Promise.all([...document.querySelectorAll("script[src], link[rel=stylesheet]")]
             .map(async (element) => (await fetch(element.src || element.href)).text()))"""
    )
    assert len(bodies) >= 10
    size = sum(len(gzip.compress(body.encode())) for body in bodies)
    print(f"{size} bytes of script and style")
    assert size <= 60 * 1024


@pytest.mark.alone
def test_no_task_is_long_while_it_opens_and_is_worked_on(page):
    """A task that is long because of the page is long every time; one that waited for the machine is not."""
    for number in range(3):
        page.reload()
        expect(page.locator(".tile")).to_have_count(9)
        interactive = page.evaluate(
            """() => { const [entry] = performance.getEntriesByType("navigation");
                       return Math.round(entry.domContentLoadedEventEnd - entry.responseEnd); }"""
        )
        work_on(page, f"Read {number}.")
        long_tasks = page.evaluate("longTasks")
        print(f"interactive {interactive} ms after its response; long tasks of {long_tasks} ms")
        if not long_tasks:
            break
    assert long_tasks == []


def work_on(page: Page, note: str) -> None:
    """Rate, rank, tie, unfold, compare and write a note, by keys."""
    for key in ("6", "j", "5", "Shift+Digit2", "j", "3", "j", "4", "e", "j", "t", "x", "x", "k", "k", "e"):
        page.keyboard.press(key)
    page.keyboard.press("d")
    expect(page.locator("#compare .difference")).to_be_visible()
    page.keyboard.press("Escape")
    if not page.get_by_label("Note on this ranking").is_visible():
        page.get_by_text("Add a note").click()
    page.get_by_label("Note on this ranking").fill("")
    page.get_by_label("Note on this ranking").press_sequentially(note)
    expect(page.locator("#saved")).to_contain_text("Saved ")
    page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.startsWith('plumbline.work.'))")
    assert Assignment.objects.get().draft["note"] == note
