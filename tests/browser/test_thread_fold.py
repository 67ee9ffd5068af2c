"""The fold beside the work that asks for what was said so far when it is opened."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from labeling.services.posts import question_ask
from tests.browser.team_desk import ASK, QUESTION, ask, ready

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_thread_is_asked_for_when_it_is_opened_and_stays_where_it_cannot_be_loaded_again(desk, people):
    project, ada, _, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    fold = desk.get_by_text("Ask the team about this task")
    fold.click()
    asked = []
    desk.on("request", lambda request: asked.append(request.method) if request.url.endswith("/talk/") else None)
    fold.click()
    expect(desk.locator(".post")).to_contain_text(QUESTION)
    fold.click()
    desk.context.set_offline(True)
    fold.click()
    away = "What was said so far cannot be loaded: no answer from the server."
    expect(desk.locator(".not-loaded")).to_have_text(away)
    expect(desk.locator(".post")).to_contain_text(QUESTION)
    desk.context.set_offline(False)
    fold.click()
    Session.objects.all().delete()
    here = desk.url
    fold.click()
    expect(desk.locator(".not-loaded")).to_contain_text("you were signed out")
    assert desk.url == here
    assert set(asked) == {"GET"}
    assert 3 <= len(asked) <= 4  # a redirect counts again


def test_the_fold_that_opens_by_itself_shows_what_was_said(desk, people):
    project, ada, _, assignment = people
    question_ask(assignment=assignment, labeler=ada, text="Is liquid soap soap?")
    desk.get_by_label(ASK).fill(QUESTION)

    def late(route):
        desk.wait_for_timeout(500)
        route.continue_()

    desk.route("**/js/skipping*.js", late)
    desk.reload()
    expect(desk.locator(".post")).to_contain_text("Is liquid soap soap?")
    expect(desk.get_by_label(ASK)).to_have_value(QUESTION)


def test_the_thread_that_cannot_be_loaded_leaves_the_form(open_page, people):
    page = open_page(f"/label/a/{people[3].pk}/", people[1])
    ready(page)
    page.context.set_offline(True)
    page.get_by_text("Ask the team about this task").click()
    away = "What was said so far cannot be loaded: no answer from the server."
    expect(page.locator(".not-loaded")).to_have_text(away)
    page.get_by_label(ASK).fill(QUESTION)
    page.context.set_offline(False)
    ask(page)
    expect(page.locator(".post")).to_contain_text(QUESTION)
    expect(page.locator(".not-loaded")).to_have_count(0)


def test_a_page_of_something_in_between_leaves_what_was_said(desk, people):
    project, ada, _, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    fold = desk.get_by_text("Ask the team about this task")
    fold.click()
    fold.click()
    expect(desk.locator(".post")).to_contain_text(QUESTION)
    fold.click()
    hotel = "<main>Sign in to the hotel's network</main>"
    desk.route("**/talk/", lambda route: route.fulfill(body=hotel, content_type="text/html"))
    fold.click()
    expect(desk.locator(".not-loaded")).to_have_text(
        "What was said so far cannot be loaded: another page came as the answer."
    )
    expect(desk.locator(".post")).to_contain_text(QUESTION)
