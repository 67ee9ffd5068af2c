"""Words beside the work stay in the browser until the server has them, through reloads, tabs and other people."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.models import Assignment, Post
from labeling.services.claims import assignment_claim_next
from labeling.services.posts import question_ask
from tests.browser.team_desk import ASK, QUESTION, ask, kept, ready, sign_in
from tests.labeling.work import make_demonstration_task, make_labeler, make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_question_without_network_is_told_of_kept_and_sent_after_a_reload(desk):
    desk.context.set_offline(True)
    desk.get_by_label(ASK).fill(QUESTION)
    ask(desk)
    expect(desk.locator(".told")).to_contain_text(
        "Not sent: there is no network. What you wrote is kept in this browser"
    )
    expect(desk.get_by_label(ASK)).to_have_value(QUESTION)
    desk.context.set_offline(False)
    desk.reload()
    expect(desk.get_by_label(ASK)).to_be_visible()  # the fold is open: somebody has yet to send it
    expect(desk.get_by_label(ASK)).to_have_value(QUESTION)
    expect(desk.locator(".told")).to_have_text("Not sent yet: taken over from this browser.")
    ready(desk)
    ask(desk)
    expect(desk.locator(".post")).to_contain_text(QUESTION)
    expect(desk.get_by_label(ASK)).to_have_value("")
    assert Post.objects.get().text == QUESTION
    assert kept(desk) == []


def test_another_person_at_the_same_browser_sees_none_of_it(desk, people):
    project, *_ = people
    bo = make_labeler(project, "bo", password="plumb the floors")
    make_demonstration_task(project, prompt=make_prompt(project, "Which tea is best?"))
    desk.get_by_label(ASK).fill(QUESTION)
    sign_in(desk, "bo", "plumb the floors")
    desk.goto(f"/label/a/{assignment_claim_next(labeler=bo, project=project).pk}/")
    ready(desk)
    desk.get_by_text("Ask the team about this task").click()
    expect(desk.get_by_label(ASK)).to_have_value("")
    assert kept(desk) == [QUESTION]


def test_why_a_task_is_skipped_outlives_a_reload_and_goes_with_the_skip(desk):
    desk.get_by_text("Skip", exact=True).click()
    desk.get_by_label("In a few words").fill("The picture is missing.")
    desk.reload()
    ready(desk)
    desk.get_by_text("Skip", exact=True).click()
    expect(desk.get_by_label("In a few words")).to_have_value("The picture is missing.")
    desk.get_by_label("Something is broken").check()
    with desk.expect_navigation():
        desk.get_by_role("button", name="Skip and go on").click()
    assert Assignment.objects.get().skip_reason == "The picture is missing."
    assert kept(desk) == []


def test_two_tabs_keep_their_own_words(desk):
    other = desk.context.new_page()
    other.goto(desk.url)
    ready(other)
    other.get_by_text("Ask the team about this task").click()
    other.get_by_label(ASK).fill("Words of the other tab.")
    desk.get_by_label(ASK).fill(QUESTION)
    ask(desk)
    expect(desk.locator(".post")).to_have_count(1)
    other.wait_for_function("() => Object.values(localStorage).some((entry) => entry.includes('other tab'))")
    other.reload()
    expect(other.get_by_label(ASK)).to_have_value("Words of the other tab.")


def test_a_reason_that_is_too_long_is_not_cut(desk):
    desk.get_by_text("Skip", exact=True).click()
    desk.get_by_label("Something is broken").check()
    desk.get_by_label("In a few words").fill("broken " * 50)
    desk.get_by_role("button", name="Skip and go on").click()
    expect(desk.locator("#skip-refusal")).to_contain_text("349 characters long; keep it to 300")
    expect(desk.get_by_label("In a few words")).to_have_value("broken " * 50)


def test_another_form_of_the_page_keeps_its_words_and_its_choices(open_page, people):
    project, ada, mia, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    page = open_page(f"/talk/{project.slug}/{assignment.task_id}/", mia)
    ready(page)
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    page.get_by_label("Show it to everyone who labels this task").check()
    page.get_by_label("Say something to everyone").fill("Soap is on the list.")
    page.get_by_role("button", name="Say it to all").click()
    expect(page.locator(".post")).to_have_count(2)
    expect(page.get_by_label("Answer ada")).to_have_value("A kind, not a brand.")
    expect(page.get_by_label("Show it to everyone who labels this task")).to_be_checked()
    expect(page.locator("#main")).to_be_focused()


def test_a_reason_to_skip_goes_with_the_answer_that_was_submitted_instead(desk):
    desk.get_by_text("Skip", exact=True).click()
    desk.get_by_label("In a few words").fill("No idea.")
    assert kept(desk) == ["No idea."]
    desk.keyboard.press("Escape")
    desk.get_by_label("Your answer").fill("Any plain soap.")
    here = desk.url
    desk.keyboard.press("Control+Enter")
    desk.wait_for_url(lambda url: url != here)
    assert kept(desk) == []


def test_an_answer_begun_survives_that_the_question_is_settled_without_it(open_page, people):
    project, ada, mia, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    page = open_page(f"/talk/{project.slug}/{assignment.task_id}/", mia)
    ready(page)
    page.get_by_label("Answer ada").fill("A kind, not a")
    page.get_by_role("button", name="Needs no answer").click()
    expect(page.get_by_role("button", name="Needs no answer")).to_have_count(0)
    expect(page.get_by_label("Answer ada")).to_have_value("A kind, not a")
    expect(page.locator(".told").first).to_have_text("Not sent yet: taken over from this browser.")
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".post")).to_have_count(2)
    assert Post.objects.filter(author=mia).get().text == "A kind, not a brand."
    assert kept(page) == []


def test_words_that_another_tab_sent_go_from_this_one(desk):
    desk.get_by_label(ASK).fill(QUESTION)
    other = desk.context.new_page()
    other.goto(desk.url)
    expect(other.get_by_label(ASK)).to_have_value(QUESTION)
    ready(other)
    ask(other)
    expect(other.locator(".post")).to_have_count(1)
    expect(desk.get_by_label(ASK)).to_have_value("")
    expect(desk.locator(".told")).to_have_text("Sent from another tab.")
    assert kept(other) == []
    other.reload()
    ready(other)
    expect(other.get_by_label(ASK)).to_have_value("")


def test_words_that_a_closed_tab_left_meanwhile_stay(desk):
    held = []
    desk.route("**/talk/", lambda route: held.append(route) if route.request.method == "POST" else route.fallback())
    other = desk.context.new_page()
    other.goto(desk.url)
    ready(other)
    other.get_by_text("Ask the team about this task").click()
    desk.get_by_label(ASK).fill(QUESTION)
    with desk.expect_request("**/talk/"):
        ask(desk)
    other.get_by_label(ASK).fill("Words of the other tab.")
    other.close()
    held[0].continue_()
    expect(desk.locator(".post")).to_have_count(1)
    assert kept(desk) == ["Words of the other tab."]


def test_what_is_typed_before_the_scripts_come_stands_after_what_was_kept(desk):
    desk.get_by_label(ASK).fill(QUESTION)
    held = []
    desk.route("**/js/kept_words*.js", lambda route: held.append(route))
    desk.reload(wait_until="commit")
    desk.get_by_text("Ask the team about this task").click()
    desk.get_by_label(ASK).fill("Or a shop?")
    held[0].continue_()
    expect(desk.get_by_label(ASK)).to_have_value(f"{QUESTION}\nOr a shop?")
    assert kept(desk) == [f"{QUESTION}\nOr a shop?"]


def test_what_is_older_than_a_month_is_forgotten_and_nothing_else(desk):
    day = 24 * 3600 * 1000
    desk.evaluate(
        """([now, day]) => {
            localStorage.setItem("plumbline.work.a", "no entry");
            localStorage.setItem("plumbline.work.b", JSON.stringify({ words: "old", at: now - 31 * day }));
            localStorage.setItem("plumbline.work.c", JSON.stringify({ words: "new", at: now - 29 * day }));
            localStorage.setItem("of somebody else", "no entry");
        }""",
        [desk.evaluate("Date.now()"), day],
    )
    desk.reload()
    ready(desk)
    desk.wait_for_function("() => !localStorage.getItem('plumbline.work.b')")
    left = desk.evaluate("Object.keys(localStorage).sort()")
    assert left == ["of somebody else", "plumbline.work.c"]
