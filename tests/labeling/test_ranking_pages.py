"""The ranking page as the server gives and takes it: forms, doubts, corrections, JSON for its script, differences."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from labeling.models import Assignment, ProjectSetup, Prompt, Ranking, RatingForm, Task
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_ranking_task

pytestmark = pytest.mark.django_db

JSON = {"headers": {"accept": "application/json"}}


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    client = Client()
    client.force_login(make_labeler(project, "ada"))
    return client


@pytest.fixture
def take(project, ada):
    def run(texts=("a", "b", "c"), kind="ranking") -> tuple[str, list[str]]:
        """A task in work: the address of its page, and the answers in their order."""
        ProjectSetup.objects.filter(project=project).update(kinds=[str(one) for one in Task.Kind])
        task = make_ranking_task(project, texts)
        Task.objects.filter(pk=task.pk).update(kind=kind)
        url = ada.post("/label/everyday/next/", {"kind": kind}).url
        return url, Assignment.objects.get(task=task).shown_order

    return run


def ranks(ids: list[str], places: str) -> dict[str, str]:
    return {f"rank-{i}": place for i, place in zip(ids, places, strict=True)}


def test_a_form_of_fields_is_read_by_name(project, ada, take):
    fields = [
        {"name": "overall", "label": "Overall quality", "type": "scale", "required": True},
        {"name": "made_up", "label": "Made up", "type": "flag"},
        {"name": "tone", "label": "Tone", "type": "choice", "options": ["warm", "cold"]},
    ]
    about_prompt = [{"name": "unclear", "label": "Unclear", "type": "flag"}]
    RatingForm.objects.create(project=project, version=3, fields=fields, prompt_fields=about_prompt)
    url, (a, b) = take(("a", "b"))
    given = {f"rate-{a}-overall": "2", f"rate-{a}-made_up": "true", f"rate-{b}-tone": "warm", "prompt-unclear": "true"}
    answer = ada.post(url, {"key": "k", **ranks([a, b], "21"), **given})
    assert answer.status_code == 400
    assert answer.context["refusal"] == "Answer B: “Overall quality” needs an answer."
    assert Assignment.objects.get().draft["ratings"] == {a: {"overall": 2, "made_up": True}, b: {"tone": "warm"}}
    ada.post(url, {"key": "k", **ranks([a, b], "21"), **given, f"rate-{b}-overall": "6"})
    ranking = Ranking.objects.get()
    assert (ranking.form_version, ranking.prompt_values) == (3, {"unclear": True})
    ratings = {str(r.completion_id): (r.overall, r.values) for r in ranking.ratings.all()}
    assert ratings == {a: (2, {"made_up": True}), b: (6, {"tone": "warm"})}


def test_strengths_stand_between_the_ranks_that_are_there(project, ada, take):
    ProjectSetup.objects.update(strength_levels=3)
    url, ids = take()
    answer = ada.post(url, {"key": "k", **ranks(ids, "311")})
    assert answer.context["refusal"] == "Say how much better rank 1 is than rank 2."
    # Two ranks have one step; what the bare form says of a third rank is left out.
    ada.post(url, {"key": "k", **ranks(ids, "311"), "strength-1": "2", "strength-2": "3"})
    assert (Ranking.objects.get().strengths, Ranking.objects.get().strength_levels) == ([2], 3)


def test_all_bad_without_an_order(ada, take):
    url, ids = take()
    ada.post(url, {"key": "k", "all_bad": "true"})
    ranking = Ranking.objects.get()
    assert (ranking.all_bad, ranking.groups) == (True, [ids])


def test_the_shown_order_is_asked_about_once_and_kept_meanwhile(ada, take):
    url, ids = take()
    fields = {"key": "k", **ranks(ids, "123"), "note": "Really."}
    asked = ada.post(url, fields)
    assert asked.status_code == 428
    assert asked.context["doubts"] == ["The ranking is exactly the order in which the answers were shown."]
    assert "Really." in asked.content.decode()
    assert Assignment.objects.get().draft["note"] == "Really."
    assert not Ranking.objects.exists()
    assert ada.post(url, {**fields, "confirmed": "1"}).status_code == 302
    assert Ranking.objects.get().groups == [[i] for i in ids]
    assert ada.post(url, fields).status_code == 302  # the same submit again is answered, not asked about
    assert Ranking.objects.count() == 1


def test_a_script_gets_json(ada, take):
    url, ids = take()
    asked = ada.post(url, {"key": "k", **ranks(ids, "123")}, **JSON)
    assert (asked.status_code, list(asked.json())) == (428, ["doubts"])
    refused = ada.post(url, {"key": "k", **ranks(ids[:2], "12")}, **JSON)
    assert (refused.status_code, refused.json()) == (
        400,
        {"detail": "1 of 3 answers is not ranked yet; place every answer."},
    )
    done = ada.post(url, {"key": "k", **ranks(ids, "213")}, **JSON)
    assert (done.status_code, done.json()) == (200, {"go": "/label/"})
    again = ada.post(url, {"key": "other", **ranks(ids, "213")}, **JSON)
    assert again.status_code == 409
    assert again.json()["detail"].startswith("You have submitted this task already")


def test_what_the_page_measured_is_kept_within_what_can_be(ada, take):
    url, ids = take()
    measured = {"focus_seconds": "99999999", "signals": '{"pasted": 12, "else": 3}'}
    ada.post(url, {"key": "k", **ranks(ids, "213"), **measured})
    assignment = Assignment.objects.get()
    assert assignment.focus_seconds < 60  # it was claimed a moment ago
    assert assignment.signals == {"pasted": 12}


@pytest.mark.parametrize("measured", [{"focus_seconds": "x"}, {"signals": "[1]"}, {"signals": "{"}])
def test_a_measure_that_is_none_loses_no_label(ada, take, measured):
    url, ids = take()
    ada.post(url, {"key": "k", **ranks(ids, "213"), **measured})
    assert Ranking.objects.count() == 1


def test_a_correction_is_the_same_form_filled_in(ada, take):
    url, (a, b, c) = take()
    ada.post(url, {"key": "k", **ranks([a, b, c], "213"), f"rate-{a}-overall": "3"})
    page = ada.get(f"{url}?correct=1")
    assert page.context["correcting"]
    assert {one.letter: one.rank for one in page.context["answers"]} == {"A": 2, "B": 1, "C": 3}
    key = page.context["key"]
    answer = ada.post(f"{url}?correct=1", {"key": key, **ranks([a, b, c], "112")})
    assert answer.url == f"/label/history/{Assignment.objects.get().pk}/"
    assert Ranking.objects.get(superseded_at=None).groups == [[a, b], [c]]
    assert Ranking.objects.count() == 2
    assert ada.post(f"{url}?correct=1", {"key": key, **ranks([a, b, c], "112")}).status_code == 302
    assert Ranking.objects.count() == 2


def test_nothing_to_correct_before_it_is_submitted(ada, take):
    url, _ = take()
    assert not ada.get(f"{url}?correct=1").context["correcting"]


def test_a_comparison_goes_on_or_nothing_is_submitted(ada, take):
    url, (a, b) = take(("a", "b"), kind="comparison")
    answer = ada.post(url, {"key": "k", **ranks([a, b], "11"), "message": "And then?"})
    assert answer.status_code == 400
    assert "share the first rank" in answer.context["refusal"]
    assert not Ranking.objects.exists()
    assert "And then?" in answer.content.decode()
    ada.post(url, {"key": "k", **ranks([a, b], "12"), "message": "And then?"})
    assert Prompt.objects.get(parent__isnull=False).messages[-1]["content"] == "And then?"


def test_a_message_and_a_note_of_which_nothing_is_seen_are_none(ada, take):
    url, (a, b) = take(("a", "b"), kind="comparison")
    ada.post(url, {"key": "k", **ranks([a, b], "12"), "message": "\u200b", "note": " \ufeff"})
    assert Ranking.objects.get().note == ""
    assert not Prompt.objects.filter(parent__isnull=False).exists()


def test_the_difference_of_two_answers(ada, take):
    url, _ = take(("same old", "same old", "same old"))
    page = ada.get(f"{url}compare/?left=A&right=C").content.decode()
    assert "Both say the same, word for word." in page
    assert "<html" in page
    part = ada.get(f"{url}compare/?left=B", headers={"HX-Request": "true"})
    assert (part.context["left"], part.context["right"]) == ("B", "C")
    assert "<html" not in part.content.decode()
    for query in ("", "?left=Z&right=%F0%9F%90%B8", "?left=B&right=B"):
        assert ada.get(f"{url}compare/{query}").status_code == 200


def test_hostile_answers_are_text_in_their_difference(ada, take):
    url, _ = take(("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"))
    page = ada.get(f"{url}compare/").content.decode()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_who_may_compare(project, ada, take):
    url, _ = take()
    other = Client()
    other.force_login(make_labeler(project, "bob"))
    assert other.get(f"{url}compare/").status_code == 404
    assert ada.get(f"/label/a/{uuid.uuid4()}/compare/").status_code == 404
    make_demonstration_task(project)
    Assignment.objects.update(state="skipped")
    writing = ada.post("/label/everyday/next/", {"kind": "demonstration"}).url
    assert ada.get(f"{writing}compare/").status_code == 404


def test_submitting_from_the_page_takes_as_many_queries_for_nine_answers_as_for_two(
    ada, take, django_assert_max_num_queries
):
    for count in (2, 9):
        url, ids = take(tuple("abcdefghi"[:count]))
        fields = ranks(ids, "213456789"[:count]) | {f"rate-{i}-overall": "4" for i in ids[1:]}
        with django_assert_max_num_queries(24):
            assert ada.post(url, {"key": "k", "confirmed": "1", **fields}).status_code == 302


def test_leaving_a_task_frees_it_at_once_and_it_comes_back_with_its_draft(project, ada, take):
    url, (a, b, c) = take()
    Assignment.objects.update(draft={"ranks": {a: 1}})
    answer = ada.post(f"{url}release/", follow=True)
    assert [str(message) for message in answer.context["messages"]] == [
        "Left for now. Your draft is kept; others may take the task meanwhile."
    ]
    assert Assignment.objects.get().state == "expired"
    assert Task.objects.get().taken == 0
    assert ada.post("/label/everyday/next/", {"kind": "ranking"}).url == url
    assert ada.get(url).context["answers"][0].rank == 1
