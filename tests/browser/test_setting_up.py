"""Setting a project up as a manager does: settings, rating form, instructions, tokens; light, dark, on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.forms import INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS
from labeling.models import RatingForm
from labeling.services.forms import rating_form_add
from people.models import AccessToken, Role
from tests.browser.conftest import PHONE, WIDE
from tests.labeling.work import make_demonstration_task, make_labeler, make_project

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def mia(project):
    return make_labeler(project, "mia", role=Role.MANAGER, is_staff=True)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_of_setting_up_breaks_a_rule(open_page, axe, project, mia, size, dark):
    form = rating_form_add(
        project=project,
        fields=[
            *(field.as_json() for field in INSTRUCTGPT_FIELDS),
            {"name": "tone", "label": "Tone", "type": "choice", "options": ["warm", "cold"], "help": "As it reads."},
            {"name": "usable", "label": "Usable", "type": "flag", "required": True},
            {"name": "why", "label": "Why", "type": "text"},
        ],
        prompt_fields=[field.as_json() for field in INSTRUCTGPT_PROMPT_FLAGS],
    )
    page = open_page("/account/tokens/", mia, size=size, dark=dark)
    page.get_by_label("What it is for").fill("robot")
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_role("heading", name="Your new token")).to_be_visible()
    assert axe(page) == []
    page.goto(f"/admin/labeling/ratingform/{form.pk}/shown/")
    page.locator(".more-fields summary").click()
    assert axe(page) == []
    for url in (
        f"/admin/labeling/ratingform/add/?begin={form.pk}",
        f"/admin/labeling/ratingform/{form.pk}/change/",
        f"/admin/labeling/projectsetup/{project.setup.pk}/change/",
    ):
        page.goto(url)
        assert axe(page) == [], url
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), url


def test_what_a_change_does_is_said_before_it_is_saved(open_page, project, mia):
    for _ in range(3):
        make_demonstration_task(project)
    page = open_page(f"/admin/labeling/projectsetup/{project.setup.pk}/change/", mia)
    page.get_by_label("Labels for a shared task").fill("3")
    page.get_by_role("button", name="See what it does").click()
    expect(page.locator("#effects")).to_contain_text("3 shared tasks want 2 labels more each; no task is rewritten.")
    page.get_by_label("Answers per task").fill("12")
    page.get_by_role("button", name="See what it does").click()
    expect(page.locator("#effects")).to_contain_text("Ensure this value is less than or equal to 9.")
    project.setup.refresh_from_db()
    assert project.setup.overlap == 1


def test_a_form_is_written_line_by_line_seen_and_saved(open_page, project, mia):
    page = open_page(f"/admin/labeling/ratingform/add/?project={project.pk}", mia)
    first, blank = page.locator(".line").nth(0), page.locator(".line").nth(1)
    expect(first.get_by_label("Label")).to_have_value("Overall quality")
    blank.get_by_label("Label").fill("Tone of voice")
    expect(blank.get_by_label("Options, one a line")).to_be_hidden()
    blank.get_by_label("Type").select_option("choice")
    expect(blank.get_by_label("From")).to_be_hidden()
    blank.get_by_label("Options, one a line").fill("warm\ncold")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="See it as labelers will").click()
    preview = opened.value
    expect(preview.get_by_role("radio", name="warm")).to_be_visible()
    preview.close()
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_text("Version 1 of the form of Everyday assistant holds")).to_be_visible()
    assert [field["name"] for field in RatingForm.objects.get().fields] == ["overall", "tone_of_voice"]


def test_help_unfolds_under_the_field_that_the_keyboard_reached(open_page, project, mia):
    form = rating_form_add(project=project, fields=[field.as_json() for field in INSTRUCTGPT_FIELDS])
    page = open_page(f"/admin/labeling/ratingform/{form.pk}/shown/", mia)
    help_text = page.get_by_text("It makes up what the prompt does not give and is not so.")
    expect(help_text).to_be_hidden()
    page.locator("[name=sample-inappropriate]").focus()
    page.keyboard.press("Tab")
    expect(help_text).to_be_visible()
    page.keyboard.press("Tab")
    expect(help_text).to_be_hidden()


def test_instructions_are_previewed_while_they_are_written(open_page, project, mia):
    page = open_page("/admin/labeling/instructions/add/", mia)
    page.locator("#id_text").press_sequentially("Be **kind**.")
    expect(page.locator(".as-read strong")).to_have_text("kind")


def test_a_token_is_made_and_revoked_by_keyboard(open_page, mia):
    page = open_page("/account/tokens/", mia)
    page.get_by_label("What it is for").focus()
    page.keyboard.type("nightly")
    page.keyboard.press("Enter")
    expect(page.locator("code.token")).to_be_visible()
    page.get_by_role("button", name="Revoke nightly").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("nightly was revoked and opens nothing any more.")).to_be_visible()
    assert not AccessToken.objects.exists()
