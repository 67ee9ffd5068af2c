"""Words beside the work, to the team and to labelers: nothing that keeps them from being sent loses them."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from labeling.models import Announcement, Assignment, Feedback, Flag, Post
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.posts import question_ask
from people.models import Role
from tests.browser.conftest import cut_off
from tests.browser.label_data import everyday
from tests.labeling.work import make_demonstration_task, make_labeler, make_prompt

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUESTION = "May I name a brand?"
ASK = "Ask the reviewers and managers"


@pytest.fixture
def people():
    """A project, Ada with an open task, and Mia who manages."""
    project, ada = everyday()
    make_demonstration_task(project, prompt=make_prompt(project, "Which soap is best?"))
    assignment = assignment_claim_next(labeler=ada, project=project)
    return project, ada, make_labeler(project, "mia", role=Role.MANAGER, password="plumb the heights"), assignment


@pytest.fixture
def desk(open_page, people):
    page = open_page(f"/label/a/{people[3].pk}/", people[1])
    ready(page)
    page.get_by_text("Ask the team about this task").click()
    return page


def ready(page: Page) -> None:
    page.wait_for_function("window.htmx && document.readyState === 'complete'")


def kept(page: Page) -> list[str]:
    return page.evaluate("Object.values(localStorage).map((entry) => JSON.parse(entry).words).filter(Boolean)")


def ask(page: Page, button: str = "Ask") -> None:
    page.get_by_role("button", name=button, exact=True).click()


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
    with desk.context.expect_page() as opened:
        desk.locator(".told").get_by_role("link", name="Sign in in a new tab").click()
    other = opened.value
    other.get_by_label("User name").fill("ada")
    other.get_by_label("Password").fill("plumb the depths")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("button", name="Sign out")).to_be_visible()
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
    desk.locator(".thread form").evaluate("(form) => form.setAttribute('hx-request', '{\"timeout\": 300}')")
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
    expect(desk.locator(".told")).to_contain_text("This browser keeps nothing: copy what you wrote")
    desk.context.set_offline(False)


def test_words_are_not_sent_as_somebody_who_signed_in_later(open_page, people):
    project, ada, mia, assignment = people
    question_ask(assignment=assignment, labeler=ada, text=QUESTION)
    make_labeler(project, "bo", role=Role.MANAGER, password="plumb the floors")
    page = open_page(f"/talk/{project.slug}/{assignment.task_id}/", mia)
    ready(page)
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_label("User name").fill("bo")
    other.get_by_label("Password").fill("plumb the floors")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".told.bad")).to_contain_text("Not sent: somebody else is signed in in this browser now.")
    assert not Post.objects.exclude(author=ada).exists()
    assert kept(page) == ["A kind, not a brand."]


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


def test_another_person_at_the_same_browser_sees_none_of_it(desk, people):
    project, *_ = people
    bo = make_labeler(project, "bo", password="plumb the floors")
    make_demonstration_task(project, prompt=make_prompt(project, "Which tea is best?"))
    desk.get_by_label(ASK).fill(QUESTION)
    desk.get_by_role("button", name="Sign out").click()
    desk.get_by_label("User name").fill("bo")
    desk.get_by_label("Password").fill("plumb the floors")
    desk.get_by_role("button", name="Sign in").click()
    expect(desk.get_by_role("button", name="Sign out")).to_be_visible()
    desk.goto(f"/label/a/{assignment_claim_next(labeler=bo, project=project).pk}/")
    ready(desk)
    desk.get_by_text("Ask the team about this task").click()
    expect(desk.get_by_label(ASK)).to_have_value("")
    assert kept(desk) == [QUESTION]


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
    other.wait_for_function("Object.values(localStorage).some((entry) => entry.includes('other tab'))")
    other.reload()
    expect(other.get_by_label(ASK)).to_have_value("Words of the other tab.")


def test_a_reason_that_is_too_long_is_not_cut(desk):
    desk.get_by_text("Skip", exact=True).click()
    desk.get_by_label("Something is broken").check()
    desk.get_by_label("In a few words").fill("broken " * 50)
    desk.get_by_role("button", name="Skip and go on").click()
    expect(desk.locator("#skip-refusal")).to_contain_text("349 characters long; keep it to 300")
    expect(desk.get_by_label("In a few words")).to_have_value("broken " * 50)


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
    page.get_by_label("Answer ada").fill("A kind, not a brand.")
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.locator(".post")).to_have_count(2)
    assert Post.objects.filter(author=mia).get().text == "A kind, not a brand."
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
