"""The labeler's pages as the server gives them: who sees what, and that forms alone suffice."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from labeling.models import Assignment, Demonstration, InstructionsRead, Ranking
from labeling.services.assignments import leases_expire
from labeling.services.claims import assignment_claim_next
from labeling.services.drafts import assignment_save_draft
from people.models import Membership, Role, User
from tests.labeling.work import (
    make_demonstration_task,
    make_instructions,
    make_labeler,
    make_project,
    make_prompt,
    make_ranking_task,
)

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return signed_in(make_labeler(project, "ada"))


def take(client, kind="") -> str:
    """Ask for the next task; the address of its page."""
    answer = client.post("/label/everyday/next/", {"kind": kind})
    assert answer.status_code == 302
    return answer.url


def said(answer) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def filled_in(answer) -> dict[str, tuple[int | None, str | None]]:
    """Rank and overall quality of each answer, as the page shows them."""
    found = {}
    for one in answer.context["answers"]:
        overall = next(field for field in one.fields if field.field.name == "overall")
        found[one.letter] = (one.rank, next((o.value for o in overall.options if o.chosen), None))
    return found


def test_strangers_sign_in_first(project):
    for path in ("/label/", f"/label/a/{uuid.uuid4()}/", "/label/everyday/instructions/"):
        answer = Client().get(path)
        assert answer.status_code == 302
        assert answer.url.startswith("/login/?next=")


def test_the_queues_offer_what_is_open(project, ada):
    make_ranking_task(project)
    page = ada.get("/label/").content.decode()
    assert "Rank answers" in page
    assert "Write answers" not in page
    assert "0 done today" in page


def test_someone_without_a_project_is_told(ada):
    Membership.objects.all().delete()
    assert "You are not a labeler in any project yet" in ada.get("/label/").content.decode()


def test_next_goes_to_the_task_and_says_when_there_is_none(project, ada):
    answer = ada.post("/label/everyday/next/", {"kind": "ranking"}, follow=True)
    assert said(answer) == ["No answers are left for you to rank in Everyday assistant right now."]
    make_demonstration_task(project)
    assert take(ada) == f"/label/a/{Assignment.objects.get().pk}/"
    assert ada.get("/label/everyday/next/").status_code == 405


def test_who_may_open_a_project_and_an_assignment(project, ada):
    make_demonstration_task(project)
    url = take(ada)
    engineer = signed_in(make_labeler(project, "eve", role=Role.ENGINEER))
    stranger = signed_in(make_labeler(make_project("other"), "sam"))
    colleague = signed_in(make_labeler(project, "bob"))
    assert engineer.post("/label/everyday/next/").status_code == 403
    assert stranger.post("/label/everyday/next/").status_code == 404
    assert engineer.get("/label/everyday/instructions/").status_code == 403
    assert stranger.get("/label/everyday/instructions/").status_code == 404
    for person in (engineer, stranger, colleague):
        assert person.get(url).status_code == 404
        assert person.post(url, {"key": "k", "text": "x"}).status_code == 404
        assert person.post(f"{url}skip/", {"reason": "x"}).status_code == 404
        assert person.post(f"{url}resume/").status_code == 404
    Membership.objects.filter(user__username="ada").delete()
    assert ada.get(url).status_code == 403
    assert ada.post(url, {"key": "k", "text": "x"}).status_code == 403
    assert Demonstration.objects.count() == 0


def test_writing_and_submitting_leads_to_the_next_task(project, ada):
    first, second = make_demonstration_task(project, priority=1), make_demonstration_task(project)
    url = take(ada, "demonstration")
    key = ada.get(url).context["key"]
    answer = ada.post(url, {"key": key, "text": "An answer."})
    assert Demonstration.objects.get().prompt == first.prompt
    assert answer.url == f"/label/a/{second.assignments.get().pk}/"
    replay = ada.post(url, {"key": key, "text": "An answer."})
    assert replay.url == answer.url
    assert Demonstration.objects.count() == 1


def test_a_ranking_from_the_bare_form(project, ada):
    make_ranking_task(project, ("a", "b", "c"))
    url = take(ada, "ranking")
    page = ada.get(url)
    first, second, third = Assignment.objects.get().shown_order
    fields = {f"rank-{first}": "3", f"rank-{second}": "1", f"rank-{third}": "3", f"rate-{second}-overall": "7"}
    ada.post(url, {"key": page.context["key"], "note": "close", **fields})
    ranking = Ranking.objects.get()
    assert ranking.groups == [[second], [first, third]]
    assert [(str(r.completion_id), r.overall) for r in ranking.ratings.all()] == [(second, 7)]


def test_a_refused_ranking_comes_back_with_what_was_given(project, ada):
    make_ranking_task(project, ("a", "b"))
    url = take(ada)
    first, second = Assignment.objects.get().shown_order
    answer = ada.post(url, {"key": "k", f"rank-{first}": "2", f"rank-{second}": "x", f"rate-{first}-overall": "6"})
    assert answer.status_code == 400
    assert answer.context["refusal"] == "1 of 2 answers is not ranked yet; place every answer."
    assert filled_in(answer) == {"A": (2, "6"), "B": (None, None)}
    assert Assignment.objects.get().draft == {
        "ranks": {first: 2},
        "ratings": {first: {"overall": 6}},
        "prompt": {},
        "strengths": [],
        "all_bad": False,
        "note": "",
    }


def test_an_empty_answer_is_refused_and_nothing_is_lost(project, ada):
    make_demonstration_task(project)
    url = take(ada)
    answer = ada.post(url, {"key": "k", "text": "  "})
    assert answer.status_code == 400
    assert "The answer is empty; write one before submitting." in answer.content.decode()
    too_long = "x" * 100_001
    answer = ada.post(url, {"key": "k", "text": too_long})
    assert answer.context["text"] == too_long
    assert Assignment.objects.get().draft == {"text": too_long}


def test_a_second_tab_with_another_key_is_told_and_its_text_shown(project, ada):
    make_demonstration_task(project)
    url = take(ada)
    ada.post(url, {"key": "tab-1", "text": "first"})
    answer = ada.post(url, {"key": "tab-2", "text": "second"})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "You have submitted this task already" in page
    assert "second" in page
    assert Demonstration.objects.get().text == "first"


def test_the_draft_is_in_the_page(project, ada):
    make_ranking_task(project, ("a", "b"))
    url = take(ada)
    assignment = Assignment.objects.get()
    first, second = assignment.shown_order
    draft = {"ranks": {second: 1}, "ratings": {first: {"overall": 3}}, "note": "so far"}
    assignment_save_draft(assignment_id=assignment.pk, labeler=assignment.labeler, draft=draft)
    page = ada.get(url)
    assert filled_in(page) == {"A": (None, "3"), "B": (1, None)}
    assert "so far" in page.content.decode()


@pytest.mark.parametrize(
    "draft",
    [
        {"ranks": 3},
        {"ranks": {"x": 1}, "note": 7},
        {"text": ["no"]},
        {},
        {"ratings": [1], "prompt": 3, "strengths": {"a": 1}, "all_bad": "yes", "message": {}},
        {"ratings": {"x": {"overall": []}}, "strengths": [None, "much", 9]},
    ],
)
def test_a_draft_of_any_shape_breaks_no_page(project, ada, draft):
    make_ranking_task(project, priority=1)
    make_demonstration_task(project)
    for kind in ("ranking", "demonstration"):
        url = take(ada, kind)
        Assignment.objects.update(draft=draft)
        assert ada.get(url).status_code == 200


def test_skip_and_take_up_again(project, ada):
    make_demonstration_task(project)
    url = take(ada)
    ada.post(f"{url}skip/", {"reason": "not my field"})
    assert "You skipped this task" in ada.get(url).content.decode()
    assert ada.post(f"{url}resume/").url == url
    assert Assignment.objects.get().state == "leased"


@pytest.mark.parametrize("kind", ["ranking", "demonstration"])
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"reason": " "}, "Say in a few words why you skip the task."),
        ({"kind": "broken"}, "Say in a few words what is broken, so that it can be mended."),
        ({"kind": "unclear", "reason": "<b>" + "x" * 298}, "The reason is 301 characters long; keep it to 300."),
    ],
)
def test_a_refused_skip_comes_back_with_what_was_given(project, ada, kind, given, sentence):
    make_ranking_task(project)
    make_demonstration_task(project)
    url = take(ada, kind)
    answer = ada.post(f"{url}skip/", given)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert answer.context["skip"] == {"kind": "", "reason": "", **given, "refusal": sentence}
    assert '<details class="skip-task" open>' in page
    assert f'id="skip-refusal" role="alert">{sentence}</p>' in page
    assert escape(given.get("reason", "")) in page
    assert page.count(" checked required>") == ("kind" in given)
    assert Assignment.objects.get().state == "leased"


def test_a_script_that_skips_gets_json(project, ada):
    make_demonstration_task(project)
    url = take(ada)
    json = {"headers": {"accept": "application/json"}}
    refused = ada.post(f"{url}skip/", {"kind": "broken"}, **json)
    assert (refused.status_code, refused.json()) == (
        400,
        {"detail": "Say in a few words what is broken, so that it can be mended."},
    )
    done = ada.post(f"{url}skip/", {"kind": "upsetting"}, **json)
    assert (done.status_code, done.json()) == (200, {"go": "/label/"})


def test_a_submitted_task_is_not_skipped_and_shown_as_it_is(project, ada):
    make_demonstration_task(project)
    url = take(ada)
    ada.post(url, {"key": "k", "text": "Water it."})
    answer = ada.post(f"{url}skip/", {"reason": "too late"}, follow=True)
    assert said(answer)[-1] == "This task is submitted already and cannot be skipped."
    assert "Your answer" in answer.content.decode()


def test_begun_work_whose_time_ran_out_is_listed_and_can_be_submitted(project, ada):
    make_demonstration_task(project, prompt=make_prompt(project, "What is a plumb line?"))
    url = take(ada)
    assignment = Assignment.objects.get()
    assignment_save_draft(assignment_id=assignment.pk, labeler=assignment.labeler, draft={"text": "A weight on"})
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    leases_expire()
    assignment_claim_next(labeler=make_labeler(project, "bob"), project=project)
    page = ada.get("/label/").content.decode()
    assert "Begun, then the time ran out" in page
    assert "What is a plumb line?" in page
    assert "A weight on" in ada.get(url).content.decode()
    answer = ada.post(url, {"key": "k", "text": "A weight on a string."}, follow=True)
    assert said(answer)[0] == ("Submitted. Others had answered it meanwhile, so it is kept as an extra label.")


def test_a_submitted_ranking_can_be_read_again(project, ada):
    make_ranking_task(project, ("good answer", "bad answer"))
    url = take(ada)
    first, second = Assignment.objects.get().shown_order
    ada.post(url, {"key": "k", f"rank-{second}": "1", f"rank-{first}": "2", f"rate-{second}-overall": "7"})
    page = ada.get(url)
    assert [(a["letter"], a["rank"], a["rating"]) for a in page.context["answers"]] == [("B", 1, 7), ("A", 2, None)]
    assert "secret-model" not in page.content.decode()


def test_labels_of_simulated_labelers_are_marked(project):
    robot = signed_in(make_labeler(project, "robot", is_simulated=True))
    make_demonstration_task(project)
    assert "Simulated labeler" in robot.get("/label/").content.decode()
    url = take(robot)
    robot.post(url, {"key": "k", "text": "Beep."})
    page = robot.get(url).content.decode()
    assert '<span class="chip simulated">Simulated</span>' in page


def test_hostile_prompts_and_answers_are_text(project, ada):
    hostile = "<script>alert(1)</script> [x](javascript:alert(2)) <img src=x onerror=alert(3)>"
    make_ranking_task(project, (hostile, "fine"), prompt=make_prompt(project, hostile))
    page = ada.get(take(ada)).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page


def test_the_instructions_show_the_newest_version_and_older_ones_on_demand(project, ada):
    assert "No instructions have been written" in ada.get("/label/everyday/instructions/").content.decode()
    make_instructions(project, version=1, text="Old rules")
    make_instructions(project, version=2, text="New **rules**")
    newest = ada.get("/label/everyday/instructions/").content.decode()
    assert "New <strong>rules</strong>" in newest
    old = ada.get("/label/everyday/instructions/?version=1").content.decode()
    assert "Old rules" in old
    assert "This is not the newest version" in old
    assert ada.get("/label/everyday/instructions/?version=9").status_code == 404
    assert "New <strong>" in ada.get("/label/everyday/instructions/?version=x").content.decode()


def test_new_instructions_are_announced_to_who_is_at_work(project, ada):
    first = make_instructions(project, version=1)
    InstructionsRead.objects.create(instructions=first, labeler=User.objects.get(username="ada"))
    make_demonstration_task(project)
    url = take(ada)
    note = '<p class="note warn" id="new-instructions" role="alert" data-version="{}"{}>The instructions changed'
    assert note.format(1, " hidden") in ada.get(url).content.decode()
    make_instructions(project, version=2)
    page = ada.get(url).content.decode()
    assert note.format(2, "") in page
    ada.post(url, {"key": "k", "text": "Under the old rules."})
    assert Demonstration.objects.get().instructions_version == 1


def test_forms_without_a_token_are_refused(project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_labeler(project, "ada"))
    make_demonstration_task(project)
    assert client.post("/label/everyday/next/").status_code == 403
    assert Assignment.objects.count() == 0


def test_the_workplace_takes_few_queries_whatever_the_number_of_answers(project, ada, django_assert_num_queries):
    for answers in (2, 9):
        make_ranking_task(project, tuple("abcdefghi"[:answers]), priority=answers)
        url = take(ada)
        # Session, user, assignment, membership, terms, instructions, done today, setup, answers, navigation.
        with django_assert_num_queries(10):
            assert ada.get(url).status_code == 200
        Assignment.objects.update(state="skipped")
