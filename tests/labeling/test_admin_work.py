"""The admin's lists of tasks and assignments, and what managers do about flags, questions and announcements there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labeling.models import Announcement, Assignment, CurationStep, Flag, Post, Prompt, Task
from people.models import Role
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_ranking_task

pytestmark = pytest.mark.django_db

TASKS = "/admin/labeling/task/"


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def lea(project):
    return make_labeler(project, "lea")


@pytest.fixture
def client(project):
    client = Client()
    client.force_login(make_labeler(project, "mia", role=Role.MANAGER, is_staff=True))
    return client


def listed(client, url: str, **query) -> list:
    page = client.get(url, query)
    assert page.status_code == 200
    return [row.pk for row in page.context["cl"].result_list]


def act(client, url: str, action: str, *rows) -> str:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(url, chosen, follow=True).content.decode()


def test_the_queries_of_the_task_list_do_not_grow_with_its_rows(client, project):
    make_demonstration_task(project)
    counts = []
    for more in (0, 30):
        for _ in range(more):
            make_demonstration_task(project)
        with CaptureQueriesContext(connection) as queries:
            client.get(TASKS)
        counts.append(len(queries))
        assert not any(
            "COUNT(*)" in q["sql"] and "LIMIT 10001" not in q["sql"] and '"labeling_task"' in q["sql"] for q in queries
        )
    assert counts[0] == counts[1]


def test_tasks_are_found_by_number_and_by_the_id_of_their_prompt(client, project):
    tasks = [make_demonstration_task(project) for _ in range(3)]
    other = make_demonstration_task(make_project("other", name="Other"))
    assert listed(client, TASKS) == [task.pk for task in reversed(tasks)]
    assert listed(client, TASKS, q=str(tasks[1].pk)) == [tasks[1].pk]
    assert listed(client, TASKS, q=" p2 ") == [tasks[2].pk]
    assert listed(client, TASKS, q=str(other.pk)) == []
    assert listed(client, TASKS, q="9" * 30) == listed(client, TASKS, q="no such") == []


def test_tasks_are_listed_by_where_they_stand(client, project):
    project.setup.overlap = 2
    project.setup.save()
    fresh, begun, full, alone, withdrawn = (make_demonstration_task(project) for _ in range(5))
    Task.objects.update(wanted=None)
    Task.objects.filter(pk=begun.pk).update(taken=1)
    Task.objects.filter(pk=full.pk).update(taken=2)
    Task.objects.filter(pk=alone.pk).update(taken=1, wanted=1)
    Task.objects.filter(pk=withdrawn.pk).update(withdrawn_at=timezone.now())
    assert listed(client, TASKS, stands="fresh") == [fresh.pk]
    assert listed(client, TASKS, stands="begun") == [begun.pk]
    assert listed(client, TASKS, stands="full") == [alone.pk, full.pk]
    assert listed(client, TASKS, stands="withdrawn") == [withdrawn.pk]
    assert len(listed(client, TASKS, stands="nonsense")) == 5


def test_priority_and_labels_wanted_are_all_that_changes_of_a_task(client, project):
    task = make_demonstration_task(project)
    url = reverse("admin:labeling_task_change", args=[task.pk])
    assert client.post(url, {"priority": 5, "wanted": 3, "taken": 99}).status_code == 302
    task.refresh_from_db()
    assert (task.priority, task.wanted, task.taken) == (5, 3, 0)
    assert client.post(url, {"priority": 5, "wanted": ""}).status_code == 302
    task.refresh_from_db()
    assert (task.priority, task.wanted) == (5, None)
    assert client.post(url, {"priority": 5, "wanted": 21}).status_code == 200
    task.refresh_from_db()
    assert task.wanted is None


def test_tasks_are_taken_out_of_use_and_brought_back_except_those_that_curation_dropped(client, project):
    mine, dropped = make_demonstration_task(project), make_demonstration_task(project)
    act(client, TASKS, "withdraw", mine, dropped)
    assert Task.objects.filter(withdrawn_at=None).count() == 0
    step = CurationStep.objects.create(project=project, rule="length")
    Prompt.objects.filter(pk=dropped.prompt_id).update(dropped_by=step)
    said = act(client, TASKS, "restore", mine, dropped)
    assert "1 stay out of use, since curation dropped their prompts" in said
    assert list(Task.objects.filter(withdrawn_at=None)) == [mine]


def test_skips_are_counted_by_their_reason(client, project, lea):
    common = {"labeler": lea, "state": "skipped", "lease_expires_at": timezone.now()}
    for kind in ("unclear", "unclear", "broken", ""):
        Assignment.objects.create(task=make_ranking_task(project), skip_kind=kind, **common)
    url = "/admin/labeling/assignment/"
    page = client.get(url, {"state__exact": "skipped"})
    assert page.context["skips"] == [
        ("unclear", "The task is unclear", 2),
        ("expertise", "Outside my expertise", 0),
        ("broken", "Something is broken", 1),
        ("upsetting", "It upsets me", 0),
        ("", "No reason by name", 1),
    ]
    assert len(listed(client, url, state__exact="skipped", skip_kind__exact="unclear")) == 2
    assert "skips" not in client.get(url).context


def test_a_flag_is_settled_with_an_answer_by_saving_it(client, project, lea):
    flag = Flag.objects.create(task=make_demonstration_task(project), raised_by=lea, note="Cut off.")
    url = reverse("admin:labeling_flag_change", args=[flag.pk])
    assert "Cut off." in client.get(url).content.decode()
    assert listed(client, "/admin/labeling/flag/", state="open") == [flag.pk]
    assert client.post(url, {"answer": "Thank you, mended."}).status_code == 302
    flag.refresh_from_db()
    assert (flag.answer, flag.settled_by.username) == ("Thank you, mended.", "mia")
    assert flag.settled_at is not None
    assert listed(client, "/admin/labeling/flag/", state="open") == []
    assert listed(client, "/admin/labeling/flag/", state="settled") == [flag.pk]
    assert client.post(url, {"answer": "Again."}).status_code == 403
    flag.refresh_from_db()
    assert flag.answer == "Thank you, mended."


def test_several_flags_are_settled_at_once(client, project, lea):
    task = make_demonstration_task(project)
    flags = [Flag.objects.create(task=task, raised_by=lea, note=f"Note {n}") for n in range(3)]
    assert "Settled: 2." in act(client, "/admin/labeling/flag/", "settle", *flags[:2])
    assert list(Flag.objects.filter(settled_at=None)) == [flags[2]]


def test_questions_lead_to_their_threads_and_are_settled(client, project, lea):
    task = make_demonstration_task(project)
    question = Post.objects.create(task=task, author=lea, asked_by=lea, text="**Which** tone?")
    page = client.get(reverse("admin:labeling_post_change", args=[question.pk])).content.decode()
    assert f'href="/talk/{project.slug}/{task.pk}/"' in page
    assert "<strong>Which</strong>" in page
    assert "Settled: 1." in act(client, "/admin/labeling/post/", "settle", question)
    question.refresh_from_db()
    assert question.settled_at is not None


def test_announcements_are_made_and_ended_and_not_changed(client, project):
    url = reverse("admin:labeling_announcement_add")
    assert client.post(url, {"project": project.pk, "text": "**New** form."}).status_code == 302
    row = Announcement.objects.get()
    assert (row.author.username, row.ends_at) == ("mia", None)
    again = client.post(url, {"project": project.pk, "text": "**New** form."}, follow=True)
    assert "This announcement is shown already." in again.content.decode()
    yesterday = timezone.now() - timedelta(days=1)
    refused = client.post(
        url, {"project": project.pk, "text": "Late.", "ends_at_0": f"{yesterday:%Y-%m-%d}", "ends_at_1": "00:00:00"}
    )
    assert "The end of an announcement lies in the future." in refused.content.decode()
    change = reverse("admin:labeling_announcement_change", args=[row.pk])
    assert "<strong>New</strong>" in client.get(change).content.decode()
    assert client.post(change, {"text": "Other."}).status_code == 403
    assert "Ended: 1." in act(client, "/admin/labeling/announcement/", "end", row)
    row.refresh_from_db()
    assert row.ends_at <= timezone.now()
    assert Announcement.objects.count() == 1


def test_actions_reach_only_the_managers_own_rows(project, lea):
    other = make_project("other", name="Other")
    stranger = Client()
    stranger.force_login(make_labeler(other, "olga", role=Role.MANAGER, is_staff=True))
    task = make_demonstration_task(project)
    flag = Flag.objects.create(task=task, raised_by=lea, note="Mine.")
    post = Post.objects.create(task=task, author=lea, asked_by=lea, text="Mine?")
    announcement = Announcement.objects.create(project=project, text="Mine.")
    for name, action, row in (
        ("flag", "settle", flag),
        ("post", "settle", post),
        ("announcement", "end", announcement),
        ("task", "withdraw", task),
    ):
        act(stranger, f"/admin/labeling/{name}/", action, row)
    for row in (flag, post, announcement, task):
        row.refresh_from_db()
    assert (flag.settled_at, post.settled_at, announcement.ends_at, task.withdrawn_at) == (None, None, None, None)
