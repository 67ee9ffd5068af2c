"""Rating forms and instructions in the admin: written line by line or as text, previewed, added as versions."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.admin.field_lines import key_of
from labeling.forms import INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS
from labeling.models import Instructions, InstructionsRead, RatingForm
from labeling.selectors.forms import form_of
from labeling.services.forms import rating_form_add
from labeling.services.instructions import instructions_add
from people.models import Role
from tests.labeling.work import make_labeler, make_project

pytestmark = pytest.mark.django_db

ADD = "/admin/labeling/ratingform/add/"
PREVIEW = "/admin/labeling/ratingform/preview/"


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def client(project):
    client = Client()
    client.force_login(make_labeler(project, "mia", role=Role.MANAGER, is_staff=True))
    return client


def typed(answer: list[dict], prompt: list[dict] = (), **values) -> dict:
    """What the page posts for these lines."""
    posted = dict(values)
    for prefix, lines in (("answer", answer), ("prompt", prompt)):
        posted |= {f"{prefix}-TOTAL_FORMS": len(lines), f"{prefix}-INITIAL_FORMS": 0}
        for number, line in enumerate(lines):
            posted |= {f"{prefix}-{number}-{key}": value for key, value in {"type": "flag", **line}.items()}
    return posted


def test_lines_become_the_fields_of_a_version(project, client):
    lines = [
        {"label": "False claim", "help": "Not so.", "ORDER": 2},
        {
            "label": "Overall",
            "name": "overall",
            "type": "scale",
            "min": 1,
            "max": 7,
            "required": "on",
            "ORDER": 1,
        },
        {"label": "Tone", "type": "choice", "options": "warm\r\n cold \r\n\r\n", "ORDER": 3},
        {"label": "Gone", "DELETE": "on", "ORDER": 4},
        {"label": "", "type": "scale", "min": 1, "max": 7},
    ]
    answer = client.post(
        ADD, typed(lines, [{"label": "Unclear", "type": "text"}], project=project.pk, change_note="n")
    )
    assert answer.status_code == 302
    row = RatingForm.objects.get()
    assert answer.headers["Location"] == reverse("admin:labeling_ratingform_change", args=[row.pk])
    assert (row.version, row.change_note) == (1, "n")
    assert row.fields == [
        {"name": "overall", "label": "Overall", "type": "scale", "min": 1, "max": 7, "help": "", "required": True},
        {"name": "false_claim", "label": "False claim", "type": "flag", "help": "Not so.", "required": False},
        {"name": "tone", "label": "Tone", "type": "choice", "options": ["warm", "cold"], "help": "",
         "required": False},
    ]  # fmt: skip
    assert [field["name"] for field in row.prompt_fields] == ["unclear"]
    again = client.post(ADD, typed(lines, [{"label": "Unclear", "type": "text"}], project=project.pk), follow=True)
    assert "Nothing is asked differently: version 1 stays." in again.content.decode()
    assert RatingForm.objects.count() == 1


def test_the_ready_made_form_fills_the_lines(project, client):
    page = client.get(ADD, {"begin": "instructgpt", "project": project.pk})
    groups = {prefix: lines for _, prefix, lines in page.context["groups"]}
    posted = {"project": project.pk}
    for prefix, lines in groups.items():
        assert lines.total_form_count() == lines.initial_form_count() + 1  # and one empty line
        posted |= {f"{prefix}-TOTAL_FORMS": lines.total_form_count(), f"{prefix}-INITIAL_FORMS": 0}
        posted |= {
            bound.html_name: "on" if bound.value() is True else bound.value()
            for form in lines
            for bound in form
            if bound.value() not in (None, False)
        }
    assert client.post(ADD, posted).status_code == 302
    form = form_of(project)
    assert (form.fields, form.prompt_fields) == (INSTRUCTGPT_FIELDS, INSTRUCTGPT_PROMPT_FLAGS)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "A form asks at least one thing."),
        ([{"label": "A b"}, {"label": "a B"}], "Two fields have the name &#x27;a_b&#x27;"),
        (
            [{"label": "Tone", "type": "choice", "options": "warm"}],
            "The choice &#x27;tone&#x27; needs a list of 2 to 20",
        ),
        (
            [{"label": "Good", "type": "scale", "min": 7, "max": 1}],
            "The scale &#x27;good&#x27; goes from a whole number",
        ),
        ([{"label": "Good", "type": "scale"}], "The scale &#x27;good&#x27; goes from a whole number"),
        ([{"label": "质量"}], "Field 1 needs a name of small letters"),
        ([{"label": "x" * 121}], "Line 1, Label: Ensure this value has at most 120 characters"),
        ([{"help": "help alone"}], "Line 1, Label: This field is required."),
        ([{"label": "Good", "type": "dance"}], "Line 1, Type: Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_and_the_lines_stay(project, client, lines, sentence):
    answer = client.post(ADD, typed(lines, project=project.pk, change_note="kept words"))
    assert answer.status_code == 400
    page = answer.content.decode()
    assert sentence in page
    assert "kept words" in page
    assert all(line["label"] in page for line in lines if "label" in line)
    assert not RatingForm.objects.exists()


def test_a_line_more_keeps_what_was_typed(project, client):
    answer = client.post(ADD, typed([{"label": "Good"}], project=project.pk, _more_prompt="1"))
    assert answer.status_code == 200
    counts = {prefix: lines.total_form_count() for _, prefix, lines in answer.context["groups"]}
    assert counts == {"answer": 1, "prompt": 1}
    assert 'value="Good"' in answer.content.decode()
    assert not RatingForm.objects.exists()


def test_a_form_that_was_tampered_with_is_refused(project, client):
    for total in ("9999999999", "-1", "x", ""):
        posted = typed([{"label": "Good"}], project=project.pk) | {"answer-TOTAL_FORMS": total}
        assert client.post(ADD, posted).status_code == 400
        assert client.post(PREVIEW, posted).status_code == (200 if total == "-1" else 400)
        assert client.post(ADD, posted | {"_more_answer": "1"}).status_code == 200
    for asked in ("", "x", "9" * 30, str(project.pk + 1)):
        answer = client.post(ADD, typed([{"label": "Good"}], project=asked))
        assert "Choose the project whose form this is." in answer.content.decode()
    for begin in ("x", "9" * 30, "0"):
        assert client.get(ADD, {"begin": begin}).status_code == 200
    assert not RatingForm.objects.exists()


def test_the_preview_shows_the_fields_as_labelers_see_them_and_stores_nothing(client):
    lines = [{"label": "False <b>claim</b>", "name": "claim", "help": "Not so."}]
    page = client.post(PREVIEW, typed(lines, [{"label": "Unclear"}])).content.decode()
    assert 'name="sample-claim"' in page
    assert 'name="prompt-unclear"' in page
    assert "False &lt;b&gt;claim&lt;/b&gt;" in page
    refused = client.post(PREVIEW, typed([{"label": "A"}, {"label": "A"}]))
    assert refused.status_code == 400
    assert "Two fields have the name" in refused.content.decode()
    assert not RatingForm.objects.exists()


def test_a_version_says_what_changed_and_begins_the_next_one(project, client):
    flag = {"name": "wrong", "label": "Wrong", "type": "flag"}
    rating_form_add(project=project, fields=[flag])
    row = rating_form_add(project=project, fields=[flag, {"name": "why", "label": "Why", "type": "text"}])
    page = client.get(reverse("admin:labeling_ratingform_change", args=[row.pk])).content.decode()
    assert "<li>“Why” is new.</li>" in page
    begun = client.get(ADD, {"begin": row.pk})
    assert begun.context["chosen"] == str(project.pk)
    assert 'value="Why"' in begun.content.decode()
    shown = client.get(reverse("admin:labeling_ratingform_shown", args=[row.pk])).content.decode()
    assert 'name="sample-why"' in shown


def test_forms_are_for_managers_of_their_own_projects(project):
    row = rating_form_add(project=project, fields=[{"name": "wrong", "label": "Wrong", "type": "flag"}])
    other = Client()
    other.force_login(make_labeler(make_project("other", name="Other"), "olga", role=Role.MANAGER, is_staff=True))
    assert other.get(reverse("admin:labeling_ratingform_shown", args=[row.pk])).status_code == 404
    assert b"Everyday assistant" not in other.get(ADD, {"begin": row.pk}).content
    refused = other.post(ADD, typed([{"label": "Good"}], project=project.pk))
    assert "Choose the project whose form this is." in refused.content.decode()
    staff = Client()
    staff.force_login(make_labeler(project, "lea", is_staff=True))
    for url in (ADD, PREVIEW, reverse("admin:labeling_ratingform_shown", args=[row.pk])):
        assert staff.get(url).status_code in (403, 404)


def test_the_key_is_made_of_the_label():
    assert key_of("False claim?") == "false_claim"
    assert key_of("  7 is best ") == "7_is_best"
    assert len(key_of("word " * 40)) <= 40


def test_instructions_are_previewed_as_labelers_will_read_them(client):
    url = reverse("admin:labeling_instructions_preview")
    shown = client.post(url, {"text": "**Be kind** <script>alert(1)</script>", "examples": "> one"}).content.decode()
    assert "<strong>Be kind</strong>" in shown
    assert "<script>" not in shown
    assert "<blockquote>" in shown
    assert "Nothing has been written yet." in client.post(url, {}).content.decode()
    assert client.get(url).status_code == 405
    assert not Instructions.objects.exists()


def test_a_version_of_instructions_shows_its_words_what_changed_and_who_read_it(project, client):
    instructions_add(project=project, text="Be kind and quick.")
    row = instructions_add(project=project, text="Be kind and <i>thorough</i>.", training_priorities="Help first.")
    InstructionsRead.objects.create(instructions=row, labeler=make_labeler(project))
    page = client.get(reverse("admin:labeling_instructions_change", args=[row.pk])).content.decode()
    assert "<del>quick.</del><ins>&lt;i&gt;thorough&lt;/i&gt;.</ins>" in page
    assert "<ins>Help first.</ins>" in page
    begun = client.get(reverse("admin:labeling_instructions_add"), {"begin": row.pk}).content.decode()
    assert "Help first." in begun
    listed = client.get(reverse("admin:labeling_instructions_changelist"))
    assert [(r.version, r._readers) for r in listed.context["cl"].result_list] == [(2, 1), (1, 0)]


def test_every_text_of_instructions_is_stored_from_the_admin(project, client):
    values = {"text": "T", "examples": "E", "training_priorities": "A", "evaluation_priorities": "B"}
    url = reverse("admin:labeling_instructions_add")
    assert client.post(url, {"project": project.pk, "change_note": "n", **values}).status_code == 302
    row = Instructions.objects.get()
    assert {name: getattr(row, name) for name in values} == values
    long = client.post(url, {"project": project.pk, "text": "x" * 100_001, "examples": "y" * 100_000})
    assert "Instructions may have at most 200,000 characters." in long.content.decode()
    assert Instructions.objects.count() == 1
