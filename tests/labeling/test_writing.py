"""The demonstration page as the server gives it: usual length, preview, earlier drafts, what was measured."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from labeling.models import Assignment, Demonstration, DraftRevision
from labeling.selectors.writing import TypicalLength, typical_length
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.drafts import assignment_save_draft
from labeling.services.forms import rating_form_add
from labeling.signals import focus_within, read_signals
from people.refusals import Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_prompt, make_ranking_task

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget():
    cache.clear()


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project)


@pytest.fixture
def assignment(project, ada):
    make_demonstration_task(project)
    return assignment_claim_next(labeler=ada, project=project)


@pytest.fixture
def client(ada):
    client = Client()
    client.force_login(ada)
    return client


def demonstrations(project, lengths, **values):
    prompt = make_prompt(project)
    return Demonstration.objects.bulk_create(
        Demonstration(
            prompt=prompt, provenance="imported", external_id=str(uuid.uuid4()), text=" \n word" * n, **values
        )
        for n in lengths
    )


def test_the_usual_length_is_the_middle_eight_of_ten(project, django_assert_num_queries):
    demonstrations(project, range(1, 21))
    # percentile_disc: the first length with at least a tenth, a half, nine tenths of the 20 at or below it.
    with django_assert_num_queries(1):
        assert typical_length(project) == TypicalLength(low=2, middle=10, high=18, n=20)
    with django_assert_num_queries(0):
        typical_length(project)


def test_what_was_corrected_and_other_projects_do_not_count_and_few_say_nothing(project):
    demonstrations(project, [5] * 9)
    demonstrations(project, [500] * 9, superseded_at=timezone.now())
    demonstrations(make_project("other"), [900] * 9)
    assert typical_length(project) is None
    demonstrations(project, [5])
    cache.clear()
    assert typical_length(project) == TypicalLength(5, 5, 5, 10)


def test_a_preview_is_sanitised_and_bounded(client):
    answer = client.post("/label/preview/", {"text": "**Bold** <script>alert(1)</script> [x](javascript:alert(1))"})
    page = answer.content.decode()
    assert "<strong>Bold</strong>" in page
    assert "<script" not in page
    assert "href" not in page
    assert "Nothing written yet." in client.post("/label/preview/", {"text": "  "}).content.decode()
    assert "The preview ends here" in client.post("/label/preview/", {"text": "x " * 50_001}).content.decode()
    assert client.get("/label/preview/").status_code == 405


def test_earlier_drafts_are_listed_shown_and_taken_up_again(client, assignment, ada):
    for text in ("One", "One two <b>"):
        assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": text})
    url = f"/label/a/{assignment.pk}/revisions/"
    listed = client.get(url).content.decode()
    assert listed.index("One two &lt;b&gt;") < listed.index(">One<")
    first = DraftRevision.objects.order_by("number").first()
    assert "One</textarea>" in client.get(f"{url}{first.number}/").content.decode()
    assert client.post(f"{url}{first.number}/").url == f"/label/a/{assignment.pk}/"
    assignment.refresh_from_db()
    assert assignment.draft == {"text": "One"}
    # What was there before it can be taken back as well.
    assert [r.draft["text"] for r in DraftRevision.objects.order_by("number")] == ["One", "One two <b>", "One"]


def test_after_the_submit_an_earlier_draft_changes_nothing(client, assignment, ada):
    assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": "One"})
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text="Two")
    answer = client.post(f"/label/a/{assignment.pk}/revisions/1/", follow=True)
    assert [str(m) for m in answer.context["messages"]] == ["This task is submitted already; the draft was not kept."]
    assert Demonstration.objects.get().text == "Two"


def test_whose_drafts_they_are(client, project, assignment, ada):
    assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": "One"})
    bob = Client()
    bob.force_login(make_labeler(project, "bob"))
    for path in ("revisions/", "revisions/1/"):
        assert bob.get(f"/label/a/{assignment.pk}/{path}").status_code == 404
        assert bob.post(f"/label/a/{assignment.pk}/revisions/1/").status_code == 404
    assert client.get(f"/label/a/{assignment.pk}/revisions/7/").status_code == 404
    make_ranking_task(project)
    ranking = assignment_claim_next(labeler=ada, project=project, kind="ranking")
    assert client.get(f"/label/a/{ranking.pk}/revisions/").status_code == 404


def test_what_was_measured_is_kept_with_the_label_and_never_falls(assignment, ada):
    Assignment.objects.filter(pk=assignment.pk).update(claimed_at=timezone.now() - timedelta(seconds=100))
    noted = {"focus_seconds": 60, "signals": {"pasted": 12, "typed": 30, "pastes": 1}}
    assignment_save_draft(assignment_id=assignment.pk, labeler=ada, draft={"text": "a", **noted})
    demonstration_submit(
        assignment_id=assignment.pk,
        labeler=ada,
        key="k",
        text="So.",
        focus_seconds=50,
        signals={"pasted": 5, "typed": 44},
    )
    assignment.refresh_from_db()
    assert (assignment.focus_seconds, assignment.signals) == (60, {"pasted": 12, "pastes": 1, "typed": 44})


def test_over_http_what_was_measured_stands_beside_the_draft(client, assignment):
    Assignment.objects.filter(pk=assignment.pk).update(claimed_at=timezone.now() - timedelta(seconds=100))
    body = {"text": "a", "focus_seconds": 7, "signals": {"pasted": 3}}
    url = f"/api/v1/assignments/{assignment.pk}/draft/"
    assert client.put(url, body, content_type="application/json").status_code == 200
    assignment.refresh_from_db()
    assert (assignment.draft, assignment.focus_seconds, assignment.signals) == ({"text": "a"}, 7, {"pasted": 3})
    assert client.put(url, {"focus_seconds": "x", "signals": [1]}, content_type="application/json").status_code == 200


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"pasted": 3, "typed": 0, "other": 9}, {"pasted": 3}),
        ({"pasted": -1, "typed": True, "pastes": "4"}, {}),
        ({"pasted": 10**12}, {"pasted": 10_000_000}),
        ("pasted", {}),
        (None, {}),
    ],
)
def test_counts_are_bounded_whole_numbers(given, counts):
    assert read_signals(given) == counts


@pytest.mark.parametrize(("given", "kept"), [(5, 5), (11, 10), (-3, 0), ("5", 0), (True, 0), (2.5, 0)])
def test_time_in_focus_is_at_most_the_time_that_passed(given, kept):
    assert focus_within(given, elapsed=10.9) == kept


def test_what_is_asked_about_the_prompt_is_kept_with_the_answer(client, project, ada):
    rating_form_add(
        project=project,
        fields=[],
        prompt_fields=[
            {"name": "ambiguous", "label": "Ambiguous", "type": "flag"},
            {"name": "topic", "label": "Topic", "type": "choice", "options": ["Home", "Work"], "required": True},
        ],
    )
    make_demonstration_task(project)
    assignment = assignment_claim_next(labeler=ada, project=project)
    url = f"/label/a/{assignment.pk}/"
    assert "Ambiguous" in client.get(url).content.decode()
    refused = client.post(url, {"key": "k", "text": "So.", "prompt-ambiguous": "true"})
    assert refused.status_code == 400
    assert "“Topic” needs an answer." in refused.content.decode()
    assert Assignment.objects.get(pk=assignment.pk).draft == {"text": "So.", "prompt": {"ambiguous": True}}
    client.post(url, {"key": "k", "text": "So.", "prompt-ambiguous": "true", "prompt-topic": "Home"})
    label = Demonstration.objects.get()
    assert (label.prompt_values, label.form_version) == ({"ambiguous": True, "topic": "Home"}, 1)


def test_a_megabyte_is_refused_in_a_sentence_and_stands_on_the_page(client, assignment):
    text = "🌿 שלום " * 130_000
    answer = client.post(f"/label/a/{assignment.pk}/", {"key": "k", "text": text})
    assert answer.status_code == 400
    assert answer.context["text"] == text
    assert "keep it to 100,000." in answer.content.decode()
    assert Demonstration.objects.count() == 0


@pytest.mark.parametrize("text", ["مرحبا بالعالم", "👩‍👩‍👧‍👦 🏳️‍🌈", "zero\u200bwidth\u200d joiner\u2060", "nul \ufffd"])
def test_text_of_every_kind_is_kept_as_it_was_typed(assignment, ada, text):
    demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text=text)
    assert Demonstration.objects.get().text == text


@pytest.mark.parametrize("text", [" \u2003\n", "\u200b", "\u2060\ufeff\u200d \u3164"], ids=ascii)
def test_an_answer_of_which_nothing_is_seen_is_empty(client, assignment, ada, text):
    with pytest.raises(Refused, match="The answer is empty"):
        demonstration_submit(assignment_id=assignment.pk, labeler=ada, key="k", text=text)
    page = client.post(f"/label/a/{assignment.pk}/", {"key": "k", "text": text})
    assert page.status_code == 400
    assert "The answer is empty; write one before submitting." in page.content.decode()
    assert not Demonstration.objects.exists()


def test_the_page_takes_a_fixed_number_of_queries(client, project, assignment, django_assert_max_num_queries):
    demonstrations(project, range(1, 21))
    client.get(f"/label/a/{assignment.pk}/")
    with django_assert_max_num_queries(10):
        client.get(f"/label/a/{assignment.pk}/")
