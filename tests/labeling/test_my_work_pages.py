"""My work, review and talk as the server gives them, and their API: who sees what, and that forms alone suffice."""

from __future__ import annotations

import pytest
from django.test import Client

from labeling.models import Announcement, Demonstration, Feedback, Flag, InstructionsRead, Post, ProjectSetup, Task
from labeling.services.claims import assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.flags import flag_settle
from people.models import Membership, Role, User
from tests.labeling.work import make_demonstration_task, make_instructions, make_labeler, make_project, make_prompt

pytestmark = pytest.mark.django_db


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def people(project):
    """Ada labels, Bob labels too, Mia manages."""
    roles = {"ada": Role.LABELER, "bob": Role.LABELER, "mia": Role.MANAGER}
    return {name: make_labeler(project, name, role=role) for name, role in roles.items()}


@pytest.fixture
def ada(people):
    return signed_in(people["ada"])


@pytest.fixture
def mia(people):
    return signed_in(people["mia"])


@pytest.fixture
def written(project, people):
    make_demonstration_task(project, prompt=make_prompt(project, "How do I keep basil alive?"))
    assignment = assignment_claim_next(labeler=people["ada"], project=project)
    demonstration_submit(assignment_id=assignment.pk, labeler=people["ada"], key="first", text="Water it daily.")
    return assignment


def said(answer) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_tasks_in_work_side_by_side_are_told_apart(project, people, ada):
    for question in (
        "How do I keep <b>basil</b> alive?",
        "What is a wheel, and who was the first of all to have one?",
    ):
        make_demonstration_task(project, prompt=make_prompt(project, question))
        assignment_claim_next(labeler=people["ada"], project=project, another=True)
        if "basil" in question:
            assert ">Go on writing</a>" in ada.get("/label/").content.decode()
    page = ada.get("/label/").content.decode()
    assert "Go on writing: <bdi>How do I keep &lt;b&gt;basil&lt;/b&gt; alive?</bdi>" in page
    assert "Go on writing: <bdi>What is a wheel, and who was the first …</bdi>" in page


def test_the_next_task_waits_for_instructions_that_changed(project, ada):
    make_instructions(project, 1)
    make_demonstration_task(project)
    first = ada.post("/label/everyday/next/", {"kind": "demonstration"})
    assert first.url == "/label/everyday/instructions/?next=demonstration"
    assert "I have read it, go on to the task" in ada.get(first.url).content.decode()
    read = ada.post("/label/everyday/instructions/read/", {"version": "1", "next": "demonstration"})
    assert read.url.startswith("/label/a/")
    make_instructions(project, 2, text="**Helpful first.** Then harm.")
    page = ada.get(ada.post("/label/everyday/next/", {"kind": ""}).url).content.decode()
    assert "What changed since version 1, which you read" in page
    assert "<del>truth and </del>harm." in page
    ada.post("/label/everyday/instructions/read/", {"version": "2"})
    assert InstructionsRead.objects.count() == 2
    assert ada.post("/label/everyday/next/", {"kind": ""}).url == read.url  # the task that Ada holds


def test_the_next_task_of_any_project_is_that_of_the_highest_priority(project, people, ada):
    other = make_project("urgent", name="Urgent")
    ProjectSetup.objects.filter(project=other).update(priority=5)
    Membership.objects.create(user=people["ada"], project=other, role=Role.LABELER)
    make_demonstration_task(project)
    urgent = make_demonstration_task(other)
    assert "Next task" in ada.get("/label/").content.decode()
    make_instructions(other, 1)
    assert ada.post("/label/next/").url == "/label/urgent/instructions/?next=demonstration"
    ada.post("/label/urgent/instructions/read/", {"version": "1"})
    assert ada.post("/label/next/").url == f"/label/a/{urgent.assignments.get().pk}/"
    Task.objects.all().delete()
    assert said(ada.post("/label/next/", follow=True)) == ["Nothing is open to you in any project right now."]


def test_a_version_that_is_none_cannot_be_confirmed(project, ada):
    make_instructions(project, 1)
    for version in ("9", "x", ""):
        answer = ada.post("/label/everyday/instructions/read/", {"version": version}, follow=True)
        assert said(answer)[0].startswith("There is no version")
    assert InstructionsRead.objects.count() == 0


def test_from_feedback_to_seen(ada, mia, written):
    url = f"/review/everyday/{written.pk}/"
    assert mia.post(url, {"grade": "6", "text": "**Clear.**"}).url == url
    assert mia.post(url, {"grade": "6", "text": "**Clear.**"}).url == url  # a double click
    assert Feedback.objects.count() == 1
    home = ada.get("/label/").content.decode()
    assert "6 of 7" in home
    entry = ada.get(f"/label/history/{written.pk}/").content.decode()
    assert "<strong>Clear.</strong>" in entry
    assert ">New<" in entry
    assert ">New<" not in ada.get(f"/label/history/{written.pk}/").content.decode()
    assert "6 of 7" not in ada.get("/label/").content.decode()


def test_refused_feedback_comes_back_with_what_was_typed(mia, written):
    answer = mia.post(f"/review/everyday/{written.pk}/", {"grade": "9", "text": "Too much"})
    assert answer.status_code == 400
    assert "A grade is a whole number from 1 to 7, not 9." in answer.content.decode()
    assert "Too much</textarea>" in answer.content.decode()


def test_from_a_question_to_its_answer(ada, mia, written):
    url = f"/label/a/{written.pk}/talk/"
    assert ada.post(url, {"text": "May I name a <b>brand</b>?"}).url == url
    waiting = mia.get("/talk/everyday/").content.decode()
    assert "May I name a &lt;b&gt;brand&lt;/b&gt;?" in waiting
    task = f"/talk/everyday/{written.task_id}/"
    asker = str(written.labeler_id)
    assert mia.post(task, {"asker": asker, "text": "No brand."}).url == task
    assert "No question waits" in mia.get("/talk/everyday/").content.decode()
    assert "May I name" in mia.get("/talk/everyday/?show=settled").content.decode()
    assert "No brand." in ada.get("/label/").content.decode()
    assert "No brand." in ada.get(url).content.decode()
    assert "No brand." not in ada.get("/label/").content.decode()


def test_a_flag_reaches_the_managers_and_its_answer_the_labeler(ada, mia, written):
    url = f"/label/a/{written.pk}/talk/"
    assert ada.post(url, {"text": " The second half is <b>missing</b>. ", "flag": "1"}).url == url
    flag = Flag.objects.get()
    assert (flag.task_id, flag.raised_by_id, flag.note) == (
        written.task_id, written.labeler_id, "The second half is <b>missing</b>.",
    )  # fmt: skip
    assert "No question waits" in mia.get("/talk/everyday/").content.decode()
    shown = ada.get(url).content.decode()
    assert "The second half is &lt;b&gt;missing&lt;/b&gt;." in shown
    assert "Settled" not in shown
    flag_settle(flag_id=flag.pk, settled_by=User.objects.get(username="mia"), answer="Mended.")
    shown = ada.get(url).content.decode()
    assert "Settled" in shown
    assert "Mended." in shown


def test_a_flag_without_words_is_refused(ada, written):
    answer = ada.post(f"/label/a/{written.pk}/talk/", {"text": " ", "flag": "1"})
    assert answer.status_code == 400
    assert "Say in a few words what is wrong with the task." in answer.content.decode()
    assert not Flag.objects.exists()


def test_a_refused_answer_comes_back_with_what_was_typed(ada, mia, written):
    ada.post(f"/label/a/{written.pk}/talk/", {"text": "Why?"})
    task = f"/talk/everyday/{written.task_id}/"
    answer = mia.post(task, {"asker": str(written.labeler_id), "text": "x" * 5001})
    assert answer.status_code == 400
    assert "x" * 5001 + "</textarea>" in answer.content.decode()
    assert mia.post(task, {"asker": "999999", "text": "Hm"}).status_code == 400
    assert mia.post(task, {"asker": str(written.labeler_id), "settle": "1"}).status_code == 302
    assert Post.objects.get().settled_at is not None


def test_announcing_and_ending(ada, mia):
    assert said(mia.post("/talk/everyday/announce/", {"text": "**Closed** on Friday."}, follow=True)) == [
        "Announced: labelers see it on their work page."
    ]
    assert "<strong>Closed</strong> on Friday." in ada.get("/label/").content.decode()
    for day in ("31.12.", "2026-02-30"):
        refused = mia.post("/talk/everyday/announce/", {"text": "Closed again.", "until": day})
        assert (refused.status_code, refused.context["refusal"]) == (400, f"'{day}' is no day.")
        assert "Closed again.</textarea>" in refused.content.decode()
    mia.post(f"/talk/everyday/announce/{Announcement.objects.get().pk}/end/")
    assert "Closed" not in ada.get("/label/").content.decode()


def test_a_correction_from_the_bare_form(ada, written):
    entry = ada.get(f"/label/history/{written.pk}/").content.decode()
    assert f"/label/a/{written.pk}/?correct=1" in entry
    url = f"/label/a/{written.pk}/?correct=1"
    page = ada.get(url)
    assert page.context["text"] == "Water it daily."
    given = {"key": page.context["key"], "text": "Water it weekly."}
    assert ada.post(url, given).url == ada.post(url, given).url == f"/label/history/{written.pk}/"
    assert Demonstration.objects.filter(superseded_at=None).get().text == "Water it weekly."
    assert Demonstration.objects.count() == 2
    assert "Before it was corrected (1)" in ada.get(f"/label/history/{written.pk}/").content.decode()


def test_htmx_asks_for_rows_and_threads_alone(ada, mia, written):
    for client, path in ((ada, "/label/history/"), (mia, "/review/everyday/")):
        assert "<html" in client.get(path).content.decode()
        rows = client.get(path, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in rows
        assert "basil" in rows
    thread = ada.post(f"/label/a/{written.pk}/talk/", {"text": " "}, headers={"HX-Request": "true"})
    assert thread.status_code == 400
    assert "<html" not in thread.content.decode()
    assert "The question is empty; write it first." in thread.content.decode()


@pytest.mark.parametrize("query", ["kind=x", "project=%F0", "since=x&until=2026-13-01", "before=x", "q=" + "a" * 9999])
def test_a_search_that_makes_no_sense_is_no_error(ada, mia, written, query):
    assert ada.get(f"/label/history/?{query}").status_code == 200
    assert mia.get(f"/review/everyday/?{query}&labeler=nobody&feedback=x").status_code == 200


def test_the_number_of_queries_of_each_page(ada, mia, written, people, django_assert_max_num_queries):
    mia.post(f"/review/everyday/{written.pk}/", {"text": "Good."})
    ada.post(f"/label/a/{written.pk}/talk/", {"text": "Why?"})
    for client, path, most in (
        (ada, "/label/", 12),
        (ada, "/label/history/?q=basil", 6),
        (ada, f"/label/history/{written.pk}/", 15),
        (ada, f"/label/a/{written.pk}/talk/", 8),
        (ada, "/label/everyday/instructions/", 10),
        (mia, "/review/everyday/", 8),
        (mia, f"/review/everyday/{written.pk}/", 10),
        (mia, "/talk/everyday/", 10),
        (mia, f"/talk/everyday/{written.task_id}/", 8),
    ):
        client.get(path)
        with django_assert_max_num_queries(most):
            assert client.get(path).status_code == 200, path


# The same over the API.


def test_the_api_finds_shows_and_corrects(ada, written):
    listed = ada.get("/api/v1/history/?q=basil").json()
    assert [entry["assignment"] for entry in listed["results"]] == [str(written.pk)]
    assert listed["before"] == ""
    assert ada.get("/api/v1/history/?kind=x").status_code == 400
    url = f"/api/v1/assignments/{written.pk}/"
    mine = ada.get(f"{url}label/").json()
    assert (mine["given"]["text"], mine["may_correct"], mine["earlier"]) == ("Water it daily.", True, [])
    body = {"data": {"text": "Water it weekly."}, "content_type": "application/json"}
    first = ada.post(f"{url}correct/", headers={"Idempotency-Key": "c"}, **body)
    again = ada.post(f"{url}correct/", headers={"Idempotency-Key": "c"}, **body)
    assert (first.status_code, again.status_code, first.json()["id"]) == (201, 200, again.json()["id"])
    mine = ada.get(f"{url}label/").json()
    assert (mine["given"]["text"], [one["text"] for one in mine["earlier"]]) == (
        "Water it weekly.",
        ["Water it daily."],
    )
    assert ada.post(f"{url}correct/", **body).status_code == 400  # without a key
    assert ada.get("/api/v1/progress/").json() == [
        {"project": "everyday", "kind": "demonstration", "today": 1, "week": 1, "seconds_today": 0, "seconds_week": 0}
    ]


def test_the_api_of_feedback(ada, mia, written, people):
    url = f"/api/v1/assignments/{written.pk}/feedback/"
    assert mia.post(url, {"grade": 6}, content_type="application/json").status_code == 201
    assert mia.post(url, {"grade": 6}, content_type="application/json").status_code == 200
    assert ada.post(url, {"grade": 7}, content_type="application/json").status_code == 403
    assert signed_in(people["bob"]).get(url).status_code == 404
    assert [one["grade"] for one in ada.get("/api/v1/feedback/unread/").json()] == [6]
    assert [(one["reviewer"], one["grade"]) for one in ada.get(url).json()] == [("mia", 6)]
    assert ada.get("/api/v1/feedback/unread/").json() == []
    [row] = mia.get("/api/v1/projects/everyday/labels/?feedback=some&labeler=ada").json()["results"]
    assert (row["labeler"], row["has_feedback"]) == ("ada", True)
    assert mia.get("/api/v1/projects/everyday/labels/?feedback=none").json()["results"] == []


def test_the_api_of_questions_and_announcements(ada, mia, written):
    mine = f"/api/v1/assignments/{written.pk}/posts/"
    task = f"/api/v1/tasks/{written.task_id}/"
    json = {"content_type": "application/json"}
    assert ada.post(mine, {"text": "Why?"}, **json).status_code == 201
    assert [one["text"] for one in mia.get("/api/v1/projects/everyday/questions/").json()["results"]] == ["Why?"]
    assert mia.post(f"{task}posts/", {"text": "So.", "asked_by": "bob"}, **json).status_code == 404
    assert mia.post(f"{task}posts/", {"text": "So.", "asked_by": "ada"}, **json).status_code == 201
    assert mia.get("/api/v1/projects/everyday/questions/").json()["results"] == []
    assert [one["text"] for one in ada.get("/api/v1/answers/unread/").json()] == ["So."]
    assert [one["text"] for one in ada.get(mine).json()] == ["Why?", "So."]
    assert ada.get("/api/v1/answers/unread/").json() == []
    ada.post(mine, {"text": "Thanks."}, **json)
    assert mia.post(f"{task}settle/", {"asked_by": "ada"}, **json).json() == {"settled": 1}
    told = mia.post("/api/v1/projects/everyday/announcements/", {"text": "Hello."}, **json)
    assert told.status_code == 201
    assert [one["text"] for one in ada.get("/api/v1/projects/everyday/announcements/").json()] == ["Hello."]
    assert mia.delete(f"/api/v1/announcements/{told.json()['id']}/").status_code == 204
    assert ada.get("/api/v1/projects/everyday/announcements/").json() == []


def test_the_api_of_instructions_that_were_read(project, ada):
    make_instructions(project, 1, text="Be kind.")
    make_demonstration_task(project)
    taken = ada.post("/api/v1/projects/everyday/assignments/next/").json()
    assert (taken["instructions_version"], taken["instructions_confirmed"]) == (1, False)
    url = "/api/v1/projects/everyday/instructions/read/"
    read = ada.post(url, {"version": 1}, content_type="application/json").json()
    assert read == {"newest": 1, "confirmed": 1, "is_due": False, "changes": []}
    assert ada.get(f"/api/v1/assignments/{taken['id']}/").json()["instructions_confirmed"] is True
    make_instructions(project, 2, text="Be kind and clear.")
    due = ada.get(url).json()
    assert (due["is_due"], due["changes"][0]["pieces"][-1]) == (True, {"kind": "in", "text": "kind and clear."})
    assert ada.post(url, {"version": 7}, content_type="application/json").status_code == 400
