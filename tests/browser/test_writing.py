"""Writing a demonstration in a real browser: the draft outlives reloads, lost connections and ended leases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from labeling.models import Assignment, Demonstration, RatingForm
from labeling.services.assignments import leases_expire
from labeling.services.claims import assignment_claim_next
from people.models import Project, User
from tests.browser.conftest import PHONE, cut_off
from tests.browser.label_data import everyday
from tests.exchange.test_text import BLANK, SEEN
from tests.labeling.work import make_demonstration_task, make_labeler

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(open_page):
    project, ada = everyday()
    make_demonstration_task(project)

    def start(**options):
        page = open_page("/label/", ada, **options)
        page.get_by_role("button", name="Write answers").click()
        expect(page.locator("#length")).to_contain_text("characters")  # the scripts have come
        return page

    return start


def test_a_reload_in_the_middle_keeps_the_draft(desk):
    page = desk()
    expect(page.get_by_role("button", name="Submit")).to_be_disabled()
    page.get_by_label("Your answer").press_sequentially("Water it less.\nGive it light")
    expect(page.locator("#length")).to_have_text("6 words, 28 characters")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.reload()
    expect(page.get_by_label("Your answer")).to_have_value("Water it less.\nGive it light")
    page.get_by_label("Your answer").focus()
    page.keyboard.press("Control+End")
    page.keyboard.type(", too.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    assert Demonstration.objects.get().text == "Water it less.\nGive it light, too."
    expect(page.get_by_role("status").first).to_contain_text("Submitted.")
    expect(page.locator(".queue")).to_contain_text("1 done today")


def test_leaving_the_field_or_taking_a_change_back_saves_nothing_new(desk):
    page = desk()
    answer, saved = page.get_by_label("Your answer"), page.locator("#saved")
    answer.press_sequentially("Water it.")
    expect(saved).to_contain_text("Saved ")
    before = saved.inner_text()
    answer.press("Tab")
    expect(saved).to_have_text(before)
    answer.press_sequentially("x")
    answer.press("Backspace")
    expect(saved).to_contain_text("Saved ")


def test_signs_of_no_width_are_no_words(desk):
    page = desk()
    page.get_by_label("Your answer").fill("\u200b \u2060")
    expect(page.locator("#length")).to_have_text("0 words, 3 characters")
    expect(page.get_by_role("button", name="Submit")).to_be_disabled()
    judged = "(texts) => texts.map(FormValues.isBlank)"
    assert page.evaluate(judged, BLANK) == [True] * len(BLANK)
    assert page.evaluate(judged, SEEN) == [False] * len(SEEN)


@pytest.mark.parametrize("looking", [False, True], ids=["text", "preview"])
def test_what_is_submitted_before_anything_is_written_is_answered_by_a_sentence(desk, looking):
    page = desk()
    page.get_by_label("Your answer").fill("  \n")
    if looking:
        page.get_by_role("button", name="Preview").click()
    page.keyboard.press("Control+Enter")
    refusal = page.locator("#refusal")
    expect(refusal).to_have_text("Not submitted: first write an answer.")
    expect(refusal).to_be_focused()
    expect(refusal).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_label("Your answer").fill("Water it less.")
    expect(refusal).to_be_hidden()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    assert Demonstration.objects.get().text == "Water it less."


def test_what_the_form_asks_about_the_prompt_is_named_before_anything_is_sent(desk):
    fields = [{"name": "clear", "label": "Clear", "type": "flag", "required": True}]
    RatingForm.objects.create(project=Project.objects.get(), version=1, fields=[], prompt_fields=fields)
    page = desk()
    refusal = page.locator("#refusal")
    page.keyboard.press("Control+Enter")
    expect(refusal).to_have_text("Not submitted: first write an answer; fill in “Clear” about the prompt.")
    page.get_by_label("Your answer").fill("Water it less. 🌿")
    expect(page.locator("#length")).to_have_text("4 words, 16 characters")
    page.keyboard.press("Control+Enter")
    expect(refusal).to_have_text("Not submitted: first fill in “Clear” about the prompt.")
    page.get_by_text("Yes", exact=True).click()
    expect(refusal).to_be_hidden()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/label/")
    assert Demonstration.objects.get().text == "Water it less. 🌿"


def test_a_preview_never_shows_another_text_than_the_one_that_is_written(desk):
    page = desk()
    answer, preview = page.get_by_label("Your answer"), page.locator("#preview")
    answer.fill("The *first* text.")
    page.get_by_role("button", name="Preview").click()
    expect(preview).to_have_text("The first text.")
    page.get_by_role("button", name="Write", exact=True).click()
    answer.fill("The *second* text.")
    with cut_off(page, "**/preview/", arrives=False):
        page.get_by_role("button", name="Preview").click()
        expect(preview).to_have_text("No preview: no answer from the server. What you wrote is kept.")
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_role("button", name="Preview").click()
    expect(preview).to_have_text("The second text.")


def test_a_preview_that_comes_late_does_not_take_the_place_of_the_next(desk):
    page = desk()
    held = []
    page.route("**/preview/", lambda route: held.append(route))
    answer, preview = page.get_by_label("Your answer"), page.locator("#preview")
    for text in ("The *first* text.", "The *second* text."):
        page.get_by_role("button", name="Write", exact=True).click()
        answer.fill(text)
        with page.expect_request("**/preview/"):
            page.get_by_role("button", name="Preview").click()
    expect(preview).to_have_text("…")
    held[-1].continue_()
    expect(preview).to_have_text("The second text.")


def test_a_lost_connection_is_said_and_made_good(desk):
    page = desk()
    with cut_off(page, "**/draft/", arrives=False):
        page.get_by_label("Your answer").fill("Written in a tunnel.")
        expect(page.locator("#saved")).to_have_text("Not saved, trying again")
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert Assignment.objects.get().draft == {"text": "Written in a tunnel."}


def test_leaving_with_unsaved_words_asks_first(desk):
    page = desk()
    page.route("**/draft/", lambda route: route.abort())
    page.get_by_label("Your answer").press_sequentially("Not yet saved")
    page.on("dialog", lambda dialog: dialog.dismiss())
    with page.expect_event("dialog") as asked:
        page.evaluate("setTimeout(() => location.assign('/label/'))")
    assert asked.value.type == "beforeunload"
    expect(page.get_by_label("Your answer")).to_have_value("Not yet saved")


def test_when_the_time_ran_out_and_others_answered_the_work_is_still_taken(desk):
    page = desk()
    page.get_by_label("Your answer").fill("Slow but sure.")
    expect(page.locator("#saved")).to_contain_text("Saved")
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    leases_expire()
    project = Assignment.objects.get().task.project
    assert assignment_claim_next(labeler=make_labeler(project, "bob"), project=project)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The time for this task ran out")
    expect(page.get_by_label("Your answer")).to_have_value("Slow but sure.")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/label/")
    expect(page.get_by_role("status").first).to_contain_text("kept as an extra label")
    assert Demonstration.objects.get().assignment.is_extra


def test_skipping_needs_a_reason_and_can_be_taken_back(desk):
    page = desk()
    page.get_by_label("Your answer").fill("Half a thought")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.get_by_text("Skip", exact=True).click()
    expect(page.get_by_label("The task is unclear")).to_be_focused()
    page.get_by_role("button", name="Skip and go on").click()
    assert Assignment.objects.get().state == "leased"  # the browser asks for the reason
    page.get_by_label("Outside my expertise").check()
    page.get_by_label("In a few words").fill("Not my field")
    url = page.url
    page.get_by_role("button", name="Skip and go on").click()
    page.wait_for_url("**/label/")
    skipped = Assignment.objects.get()
    assert (skipped.state, skipped.skip_kind, skipped.skip_reason) == ("skipped", "expertise", "Not my field")
    page.goto(url)
    page.get_by_role("button", name="Take it up again").click()
    expect(page.get_by_label("Your answer")).to_have_value("Half a thought")


def test_a_second_tab_is_told_and_its_text_is_shown(desk, open_page):
    page = desk()
    other = open_page(page.url, Assignment.objects.get().labeler)
    page.get_by_label("Your answer").fill("From the first tab.")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/label/")
    other.get_by_label("Your answer").fill("From the second tab.")
    other.get_by_role("button", name="Submit").click()
    expect(other.locator("#refusal")).to_contain_text("You have submitted this task already")
    expect(other.get_by_label("Your answer")).to_have_value("From the second tab.")
    other.reload()
    expect(other.locator("#unsent")).to_contain_text("From the second tab.")
    assert Demonstration.objects.get().text == "From the first tab."


def test_the_page_fits_a_phone(desk):
    page = desk(size=PHONE, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_signing_in_again_in_another_tab_is_enough(desk):
    page = desk()
    ada = User.objects.get(username="ada")
    ada.set_password("long-enough-7")
    ada.save()  # which ends every session, as time would
    page.get_by_label("Your answer").fill("Half of it")
    expect(page.locator("#saved")).to_have_text("Not saved: signed out")
    expect(page.locator("#away")).to_contain_text("sign in again and it goes on here")
    other = page.context.new_page()
    other.goto("/login/")
    other.get_by_label("User name").fill("ada")
    other.get_by_label("Password").fill("long-enough-7")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(lambda url: "/login/" not in url)
    page.bring_to_front()
    page.get_by_label("Your answer").fill("Half of it, and the rest.")
    expect(page.locator("#saved")).to_contain_text("Saved")
    assert Assignment.objects.get().draft == {"text": "Half of it, and the rest."}
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/label/")
    assert Demonstration.objects.get().text == "Half of it, and the rest."
