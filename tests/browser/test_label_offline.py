"""Lost connections, lost answers and ended sessions: work stays in the browser and is sent as soon as it can be."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Ranking
from labeling.services.claims import assignment_claim_next
from people.models import User
from tests.browser.conftest import cut_off
from tests.browser.label_data import everyday, pension_task
from tests.labeling.work import make_labeler

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEYS = ("r", "2", "j", "1", "j", "3")  # B, A, C


@pytest.fixture
def desk(open_page):
    project, ada = everyday()
    pension_task(project, ("The first answer.", "The second answer.", "The third answer."))
    assignment = assignment_claim_next(labeler=ada, project=project)
    page = open_page(f"/label/a/{assignment.pk}/", ada)
    expect(page.locator(".tile")).to_have_count(3)
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def in_browser(page: Page) -> list[str]:
    """What this browser keeps of unfinished work."""
    return page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('plumbline.work.'))")


def test_minutes_without_network_and_a_closed_window_lose_nothing(desk):
    context = desk.context
    context.set_offline(True)
    press(desk, *KEYS)
    expect(desk.locator("#saved")).to_have_text("Not saved, trying again")
    desk.wait_for_function("() => Object.keys(localStorage).length === 1")
    url = desk.url
    desk.close(run_before_unload=False)
    assert Assignment.objects.get().draft == {}
    context.set_offline(False)
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert [page.locator(f'.row[data-rank="{rank}"] .letter').inner_text() for rank in (1, 2, 3)] == ["B", "A", "C"]
    a, b, c = Assignment.objects.get().shown_order
    assert Assignment.objects.get().draft["ranks"] == {a: 2, b: 1, c: 3}
    assert in_browser(page) == []


def test_a_submit_without_network_is_sent_when_it_is_back(desk):
    press(desk, *KEYS)
    desk.context.set_offline(True)
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#away")).to_contain_text("Everything is kept in this browser and is sent as soon as")
    assert not Ranking.objects.exists()
    desk.context.set_offline(False)
    desk.wait_for_url("**/label/")
    a, b, c = Assignment.objects.get().shown_order
    assert Ranking.objects.get().groups == [[b], [a], [c]]
    assert in_browser(desk) == []


def test_a_lost_answer_makes_no_second_label(desk):
    press(desk, *KEYS)
    with cut_off(desk, desk.url, arrives=True):
        desk.keyboard.press("Control+Enter")
        expect(desk.locator("#away")).to_contain_text("Not sent")
        assert Ranking.objects.count() == 1
    desk.wait_for_url("**/label/")
    assert Ranking.objects.count() == 1


def test_what_comes_back_while_a_submit_is_on_its_way_sends_no_copy(desk):
    press(desk, *KEYS)
    held = []
    desk.route(desk.url, lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    with desk.expect_request(lambda request: request.method == "POST" and request.url == desk.url):
        desk.keyboard.press("Control+Enter")
    for _ in range(3):
        desk.evaluate("dispatchEvent(new Event('online'))")
    desk.wait_for_timeout(500)
    assert len(held) == 1
    held[0].continue_()
    desk.wait_for_url("**/label/")
    assert Ranking.objects.count() == 1


def test_what_was_confirmed_without_network_is_not_asked_again(desk):
    press(desk, "r", "1", "j", "2", "j", "3", "Control+Enter")  # as shown, which is asked about
    asked = desk.get_by_role("dialog", name="Is that what you mean?")
    expect(asked).to_be_visible()
    desk.context.set_offline(True)
    asked.locator("[value=yes]").click()
    expect(desk.locator("#away")).to_contain_text("Not sent")
    desk.context.set_offline(False)
    desk.wait_for_url("**/label/")
    assert Ranking.objects.count() == 1


def test_going_on_after_a_lost_answer_is_told_apart(desk):
    """Who goes on working after a submit that may have arrived gets told, and sees what was not kept."""
    press(desk, *KEYS)
    with cut_off(desk, desk.url, arrives=True):
        desk.keyboard.press("Control+Enter")
        desk.get_by_role("button", name="Go on working on it").click()
    desk.get_by_text("Add a note").click()
    desk.get_by_label("Note on this ranking").fill("One thought more.")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#refusal")).to_contain_text("You have submitted this task already")
    desk.reload()
    expect(desk.get_by_role("heading", name="Your ranking")).to_be_visible()
    expect(desk.locator("#unsent")).to_contain_text("One thought more.")
    desk.get_by_role("button", name="Throw it away").click()
    assert in_browser(desk) == []
    assert Ranking.objects.get().note == ""


def test_an_ended_session_is_said_and_signing_in_elsewhere_goes_on_here(desk):
    ada = User.objects.get(username="ada")
    ada.set_password("long-enough-7")
    ada.save()  # which ends every session, as time would
    press(desk, *KEYS)
    expect(desk.locator("#away")).to_contain_text("You were signed out. Your work is kept in this browser")
    assert Assignment.objects.get().draft == {}
    desk.keyboard.press("Control+Enter")
    expect(desk.locator("#away")).to_contain_text("You were signed out")
    assert not Ranking.objects.exists()
    with desk.context.expect_page() as opened:
        desk.get_by_role("link", name="Sign in in a new tab").click()
    other = opened.value
    other.get_by_label("User name").fill("ada")
    other.get_by_label("Password").fill("long-enough-7")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/label/")
    other.close()
    desk.bring_to_front()
    desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    desk.wait_for_url("**/label/")
    assert Ranking.objects.count() == 1


def test_somebody_else_who_signs_in_saves_nothing_of_it(desk, open_page):
    project = Assignment.objects.get().task.project
    make_labeler(project, "bob", password="another-one-8")
    desk.context.clear_cookies()
    other = desk.context.new_page()
    other.goto("/login/")
    other.get_by_label("User name").fill("bob")
    other.get_by_label("Password").fill("another-one-8")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(lambda url: "/login/" not in url)
    desk.bring_to_front()
    press(desk, *KEYS)
    expect(desk.locator("#saved")).to_contain_text("There is no such assignment.")
    desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(desk.locator("#away")).to_contain_text("signed in as somebody else")
    assert Assignment.objects.get().draft == {}
    assert len(in_browser(desk)) == 1
