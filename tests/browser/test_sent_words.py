"""Words beside the work on their way: what keeps them from being sent is said at their form and loses none of them."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from labeling.models import Announcement, Feedback, Flag, Post
from labeling.services.demonstrations import demonstration_submit
from labeling.services.posts import question_ask
from people.models import Role
from tests.browser.conftest import cut_off
from tests.browser.team_desk import ASK, QUESTION, ask, kept, ready, sign_in
from tests.labeling.work import make_labeler

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_question_whose_answer_is_lost_is_asked_once(desk, people):
    desk.get_by_label(ASK).fill(QUESTION)
    with cut_off(desk, f"**/label/a/{people[3].pk}/talk/", arrives=True):
        ask(desk)
        expect(desk.locator(".told")).to_contain_text("it is not known whether it was sent")
    assert Post.objects.count() == 1
    ask(desk)
    expect(desk.locator(".post")).to_have_count(1)
    assert Post.objects.count() == 1


def test_a_flag_after_the_session_ended_is_sent_once_signed_in_elsewhere(desk):
    desk.get_by_label(ASK).fill("The prompt is cut off.")
    Session.objects.all().delete()
    here = desk.url
    ask(desk, "Flag the task")
    expect(desk.locator(".told")).to_contain_text("Not sent: you were signed out")
    assert desk.url == here
    # Else a reload would say that it was sent and may have arrived.
    assert desk.evaluate("Object.values(localStorage).map((entry) => JSON.parse(entry).isSent)") == [False]
    with desk.context.expect_page() as opened:
        desk.locator(".told").get_by_role("link", name="Sign in in a new tab").click()
    sign_in(opened.value, "ada", "plumb the depths")
    ask(desk, "Flag the task")
    expect(desk.locator(".post")).to_contain_text("You flagged this task")
    assert Flag.objects.get().note == "The prompt is cut off."
    assert kept(desk) == []


def test_a_refused_question_stays_in_its_field_and_in_the_browser(desk):
    long = "why " * 1300
    desk.get_by_label(ASK).fill(long)
    ask(desk)
    expect(desk.get_by_role("alert").filter(has_text="5,199 characters long")).to_be_visible()
    expect(desk.get_by_label(ASK)).to_have_value(long)
    assert kept(desk) == [long]


def test_what_the_server_cannot_take_is_told_with_its_status(desk):
    desk.get_by_label(ASK).fill(QUESTION)
    desk.route("**/talk/", lambda route: route.fulfill(status=503, body="away"))
    ask(desk)
    expect(desk.locator(".told")).to_contain_text("The server failed (503), so it is not known whether it was sent.")
    assert kept(desk) == [QUESTION]
    desk.route("**/talk/", lambda route: route.fulfill(status=400, body="<p>Not ours.</p>"))
    ask(desk)
    expect(desk.locator(".told")).to_contain_text("Not sent: the server refused it (400)")
    assert kept(desk) == [QUESTION]
    desk.reload()
    expect(desk.locator(".told")).to_have_text("Not sent yet: taken over from this browser.")


def test_a_page_of_something_in_between_takes_nothing_away(open_page, people):
    project, _, mia, _ = people
    page = open_page(f"/talk/{project.slug}/", mia)
    ready(page)
    hotel = "<main id=main>Sign in to the hotel's network</main>"
    page.route("**/announce/", lambda route: route.fulfill(body=hotel, content_type="text/html"))
    page.get_by_label("Tell all labelers").fill("The office is closed on Friday.")
    page.get_by_role("button", name="Announce").click()
    expect(page.locator(".told")).to_contain_text("Another page came as the answer, so it is not known")
    expect(page.get_by_label("Tell all labelers")).to_have_value("The office is closed on Friday.")
    assert kept(page) == ["The office is closed on Friday."]


def test_an_answer_that_does_not_come_in_time_is_told_of(desk):
    desk.locator(".thread form").evaluate("(form) => form.setAttribute('hx-request', '{\"timeout\": 3000}')")
    held = []
    desk.route("**/talk/", lambda route: held.append(route))
    desk.get_by_label(ASK).fill(QUESTION)
    field = desk.get_by_label(ASK).element_handle()
    ask(desk)
    assert not field.is_editable()  # what is written meanwhile would go with the form
    expect(desk.locator(".told")).to_contain_text("it is not known whether it was sent")
    expect(desk.get_by_label(ASK)).to_be_editable()
    held[0].abort()


def test_a_browser_that_keeps_nothing_says_so(desk):
    desk.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    desk.get_by_label(ASK).fill(QUESTION)
    desk.context.set_offline(True)
    ask(desk)
    expect(desk.locator(".told")).to_contain_text("It is kept nowhere: copy what you wrote")
    desk.context.set_offline(False)


def test_words_are_not_sent_as_somebody_who_signed_in_later(open_page, people):
    project, ada, mia, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    make_labeler(project, "bo", role=Role.MANAGER, password="plumb the floors")
    page = open_page(f"/talk/{project.slug}/{assignment.task_id}/", mia)
    ready(page)
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    sign_in(page.context.new_page(), "bo", "plumb the floors")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".told.bad")).to_contain_text("Not sent: somebody else is signed in in this browser now.")
    assert not Post.objects.exclude(author=ada).exists()
    assert kept(page) == ["A kind, not a brand."]


def test_feedback_without_network_is_kept_and_a_refused_one_keeps_its_grade(open_page, people):
    project, ada, mia, assignment = people
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Any plain soap.")
    page = open_page(f"/review/{project.slug}/{assignment.pk}/", mia)
    ready(page)
    page.context.set_offline(True)
    words = page.get_by_label("What ada should know")
    words.fill("Clear, and a little long.")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.locator(".told")).to_contain_text("Not sent: there is no network")
    page.context.set_offline(False)
    page.reload()
    ready(page)
    expect(words).to_have_value("Clear, and a little long.")
    words.fill("long " * 1100)
    page.get_by_label("6", exact=True).check()
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_role("alert").filter(has_text="5,499 characters long")).to_be_visible()
    expect(page.locator("[name=grade]:checked")).to_have_value("6")
    words.fill("Clear, and a little long.")
    with cut_off(page, page.url, arrives=False):
        page.get_by_role("button", name="Send feedback").click()
        expect(page.locator(".told.bad")).to_contain_text("it is not known whether it was sent")
    expect(page.get_by_role("alert").filter(has_text="5,499 characters long")).to_have_count(0)
    page.get_by_role("button", name="Send feedback").click()
    expect(page.locator("#messages")).to_contain_text("ada will see it")
    expect(words).to_have_value("")
    given = Feedback.objects.get()
    assert (given.grade, given.text, kept(page)) == (6, "Clear, and a little long.", [])


def test_feedback_whose_answer_is_lost_is_sent_again_with_its_grade(open_page, people):
    project, ada, mia, assignment = people
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Any plain soap.")
    page = open_page(f"/review/{project.slug}/{assignment.pk}/", mia)
    ready(page)
    page.get_by_label("6", exact=True).check()
    page.get_by_label("What ada should know").fill("Clear.")
    with cut_off(page, page.url, arrives=True):
        page.get_by_role("button", name="Send feedback").click()
        expect(page.locator(".told")).to_contain_text("it is not known whether it was sent")
    page.reload()
    expect(page.locator(".told")).to_contain_text("It was sent, but no answer came: see whether it has arrived")
    expect(page.locator("[name=grade]:checked")).to_have_value("6")
    ready(page)
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_label("What ada should know")).to_have_value("")
    assert Feedback.objects.count() == 1
    assert kept(page) == []


def test_a_refused_announcement_keeps_its_words_and_its_day(open_page, people):
    project, _, mia, _ = people
    page = open_page(f"/talk/{project.slug}/", mia)
    ready(page)
    page.get_by_label("Tell all labelers").fill("The office is closed on Friday.")
    page.get_by_label("Until the end of").fill("2020-02-02")
    page.get_by_role("button", name="Announce").click()
    expect(page.get_by_role("alert")).to_contain_text("lies in the future")
    expect(page.get_by_label("Tell all labelers")).to_have_value("The office is closed on Friday.")
    expect(page.get_by_label("Until the end of")).to_have_value("2020-02-02")
    page.get_by_label("Until the end of").fill("")
    page.get_by_role("button", name="Announce").click()
    expect(page.locator("#messages")).to_contain_text("Announced")
    expect(page.get_by_label("Tell all labelers")).to_have_value("")
    expect(page.get_by_role("link", name="Answered")).to_have_attribute("href", f"/talk/{project.slug}/?show=settled")
    assert Announcement.objects.get().text == "The office is closed on Friday."


def test_leaving_the_field_while_it_is_sent_says_nothing_false_afterwards(desk):
    held = []
    desk.route("**/talk/", lambda route: held.append(route) if route.request.method == "POST" else route.fallback())
    desk.get_by_label(ASK).fill(QUESTION)
    field = desk.get_by_label(ASK)
    with desk.expect_request("**/talk/"):
        ask(desk)
    field.dispatch_event("change")
    held[0].abort()
    expect(desk.locator(".told")).to_contain_text("it is not known whether it was sent")
    desk.reload()
    expect(desk.locator(".told")).to_contain_text("It was sent, but no answer came")


def test_a_grade_cannot_be_changed_while_it_is_sent(open_page, people):
    project, ada, mia, assignment = people
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Any plain soap.")
    page = open_page(f"/review/{project.slug}/{assignment.pk}/", mia)
    ready(page)
    held = []
    page.route(page.url, lambda route: held.append(route) if route.request.method == "POST" else route.fallback())
    page.get_by_label("6", exact=True).check()
    page.get_by_label("What ada should know").fill("Clear.")
    with page.expect_request(page.url):
        page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_label("5", exact=True)).to_be_disabled()
    held[0].abort()
    expect(page.get_by_label("5", exact=True)).to_be_enabled()
    expect(page.locator("[name=grade]:checked")).to_have_value("6")
    assert not Feedback.objects.exists()


def test_on_the_way_back_the_doubt_is_told_again(open_page, people):
    project, ada, mia, assignment = people
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Any plain soap.")
    page = open_page(f"/review/{project.slug}/{assignment.pk}/", mia)
    ready(page)
    page.get_by_label("What ada should know").fill("Clear.")
    with cut_off(page, page.url, arrives=True):
        page.get_by_role("button", name="Send feedback").click()
        expect(page.locator(".told")).to_contain_text("it is not known whether it was sent")
    page.get_by_role("link", name="All labels").click()
    page.go_back()
    expect(page.locator(".told")).to_contain_text("It was sent, but no answer came")
    expect(page.get_by_label("What ada should know")).to_have_value("Clear.")


def test_a_refused_answer_is_still_for_everyone(open_page, people):
    project, ada, mia, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    page = open_page(f"/talk/{project.slug}/{assignment.task_id}/", mia)
    ready(page)
    page.get_by_label("Show it to everyone who labels this task").check()
    page.get_by_label("Answer ada").fill("\n  indented\n" + "kind " * 1100)
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="characters long")).to_be_visible()
    expect(page.get_by_label("Show it to everyone who labels this task")).to_be_checked()
    expect(page.get_by_label("Answer ada")).to_have_value("\n  indented\n" + "kind " * 1100)
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.get_by_label("Answer ada")).to_have_value("")
    assert Post.objects.get(author=mia).to_all


def test_one_form_of_a_page_is_sent_at_a_time(open_page, people):
    project, ada, mia, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    page = open_page(f"/talk/{project.slug}/{assignment.task_id}/", mia)
    ready(page)
    held, asked = [], []

    def hold(route):
        if route.request.method == "POST":
            asked.append(route)
        held.append(route) if route.request.method == "POST" and len(held) < 2 else route.fallback()

    page.route(page.url, hold)
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    page.get_by_label("Say something to everyone").fill("Soap is on the list.")
    with page.expect_request(page.url):
        page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_role("button", name="Say it to all").click()
    expect(page.locator("form.give .told")).to_contain_text("Something else on this page is being sent")
    page.get_by_role("button", name="Answer", exact=True).click()  # nor the same again
    held[0].abort()
    expect(page.locator(".told.bad")).to_contain_text("it is not known whether it was sent")
    expect(page.locator("form.give .told")).to_have_text("")
    page.get_by_role("button", name="Answer", exact=True).click()
    while len(held) < 2:
        page.wait_for_timeout(20)
    held[1].continue_()
    expect(page.locator(".post")).to_have_count(2)
    expect(page.get_by_label("Say something to everyone")).to_have_value("Soap is on the list.")
    page.get_by_role("button", name="Say it to all").click()
    expect(page.locator(".post")).to_have_count(3)
    assert len(asked) == 3  # the first, the first again, and the other
    assert Post.objects.count() == 3
    assert kept(page) == []


def test_a_question_that_was_refused_in_one_tab_stays_in_the_other(desk):
    long = "why " * 1300
    desk.get_by_label(ASK).fill(long)
    other = desk.context.new_page()
    other.goto(desk.url)
    expect(other.get_by_label(ASK)).to_have_value(long)
    ready(other)
    ask(other)
    expect(other.get_by_role("alert").filter(has_text="5,199 characters long")).to_be_visible()
    expect(other.get_by_label(ASK)).to_have_value(long)
    expect(desk.get_by_label(ASK)).to_have_value(long)
    assert kept(desk) == [long]
