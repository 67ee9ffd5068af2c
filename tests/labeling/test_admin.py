"""The admin of labeling: managers see their own projects, and rows that people made are not changed."""

from __future__ import annotations

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling import models
from people.models import Membership, Project, Role, User

pytestmark = pytest.mark.django_db

NAMES = [model._meta.model_name for model in site._registry if model._meta.app_label == "labeling"]


def filled(slug: str) -> Project:
    """A project with one row of every table."""
    project = Project.objects.create(slug=slug, name=f"Project {slug}")
    models.ProjectSetup.objects.create(project=project)
    models.Instructions.objects.create(project=project, version=1, text=f"text of {slug}")
    source = models.Import.objects.create(
        project=project,
        format="prompts",
        file_name=f"{slug}.jsonl",
        path="x",
        problems=[{"line": 3, "reason": "<script>bad</script>"}],
        problem_count=1,
    )
    prompt = models.Prompt.objects.create(
        project=project,
        external_id=f"prompt-{slug}",
        messages=[{"role": "user", "content": f"Words of {slug} <script>alert(1)</script>"}],
        author="a",
        split="train",
        imported_by=source,
    )
    models.Snapshot.objects.create(project=project)
    batch = models.CompletionBatch.objects.create(digest=slug.ljust(64, "0"), project=project)
    completions = [
        models.Completion.objects.create(prompt=prompt, external_id=f"{i}", text=f"answer {i} of {slug}", batch=batch)
        for i in range(2)
    ]
    task = models.Task.objects.create(project=project, prompt=prompt, kind="ranking")
    labeler = User.objects.create_user(f"labeler-{slug}")
    assignment = models.Assignment.objects.create(task=task, labeler=labeler, lease_expires_at=timezone.now())
    said = f"said in {slug} <script>alert(1)</script>"
    models.Flag.objects.create(task=task, raised_by=labeler, note=said)
    models.Post.objects.create(task=task, author=labeler, asked_by=labeler, text=said)
    models.Announcement.objects.create(project=project, author=labeler, text=said)
    models.Feedback.objects.create(assignment=assignment, reviewer=labeler, text=said)
    form = [{"name": "wrong", "label": said, "type": "flag", "help": "", "required": False}]
    models.RatingForm.objects.create(project=project, version=1, fields=form)
    models.Demonstration.objects.create(prompt=prompt, text=f"demonstration of {slug}", provenance="human")
    ranking = models.Ranking.objects.create(
        prompt=prompt, groups=[[str(c.pk) for c in completions]], provenance="simulated", labeler=labeler
    )
    models.Rating.objects.create(ranking=ranking, completion=completions[0], overall=7)
    return project


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def manager_of(project: Project, **values) -> User:
    user = User.objects.create_user(f"manager-{User.objects.count()}", **({"is_staff": True} | values))
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    return user


def rows_of(name: str, project: Project) -> list:
    model = next(model for model in site._registry if model._meta.model_name == name)
    path = site._registry[model].project_path
    rows = list(model._default_manager.filter(**{path: project}).order_by("pk"))
    assert rows
    return rows


def row_of(name: str, project: Project):
    return rows_of(name, project)[0]


def test_every_table_of_people_and_jobs_has_its_page():
    assert sorted(NAMES) == sorted(
        [
            "announcement",
            "assignment",
            "completion",
            "completionbatch",
            "demonstration",
            "feedback",
            "flag",
            "import",
            "instructions",
            "post",
            "projectsetup",
            "prompt",
            "ranking",
            "ratingform",
            "snapshot",
            "task",
        ]
    )


@pytest.mark.parametrize("name", NAMES)
def test_managers_see_their_own_rows_and_no_others(name):
    mine, theirs = filled("mine"), filled("theirs")
    manager = manager_of(mine)
    second = filled("second")  # a filter is shown where there are two projects to choose from
    Membership.objects.create(user=manager, project=second, role=Role.MANAGER)
    client = client_of(manager)
    page = client.get(reverse(f"admin:labeling_{name}_changelist"))
    assert page.status_code == 200
    assert sorted(row.pk for row in page.context["cl"].result_list) == sorted(
        row.pk for project in (mine, second) for row in rows_of(name, project)
    )
    assert theirs.name not in page.content.decode()  # not even among the filters
    change = f"admin:labeling_{name}_change"
    assert client.get(reverse(change, args=[row_of(name, mine).pk])).status_code == 200
    foreign = client.get(reverse(change, args=[row_of(name, theirs).pk]))
    assert foreign.status_code == 302  # to the admin's index, as for a row that does not exist
    assert client.get(reverse(f"admin:labeling_{name}_delete", args=[row_of(name, mine).pk])).status_code == 403


@pytest.mark.parametrize("name", NAMES)
def test_superusers_see_all_and_others_nothing(name):
    project = filled("one")
    other = filled("two")
    url = reverse(f"admin:labeling_{name}_changelist")
    root = client_of(User.objects.create_superuser("root"))
    page = root.get(url)
    assert len(page.context["cl"].result_list) == len(rows_of(name, project)) + len(rows_of(name, other))
    assert b"<script>alert(1)" not in page.content
    detail = root.get(reverse(f"admin:labeling_{name}_change", args=[row_of(name, project).pk]))
    assert detail.status_code == 200
    assert b"<script>alert(1)" not in detail.content
    assert b"<script>bad" not in detail.content
    for user in (
        User.objects.create_user("staff", is_staff=True),
        manager_of(project, is_staff=False),
        User.objects.create_user("plain"),
    ):
        assert client_of(user).get(url).status_code in (302, 403)


@pytest.mark.parametrize("name", ["prompt", "completion", "assignment", "demonstration", "ranking", "import"])
def test_what_services_wrote_is_neither_added_nor_changed(name):
    project = filled("one")
    root = client_of(User.objects.create_superuser("root"))
    assert root.get(reverse(f"admin:labeling_{name}_add")).status_code == 403
    url = reverse(f"admin:labeling_{name}_change", args=[row_of(name, project).pk])
    assert root.post(url, {"text": "changed"}).status_code == 403


def test_prompts_are_searched_by_their_words():
    filled("apple")
    filled("pear")
    root = client_of(User.objects.create_superuser("root"))
    page = root.get(reverse("admin:labeling_prompt_changelist"), {"q": "words of PEAR"})
    assert [prompt.external_id for prompt in page.context["cl"].result_list] == ["prompt-pear"]


def test_a_manager_adds_instructions_to_own_projects_only():
    mine, theirs = filled("mine"), filled("theirs")
    client = client_of(manager_of(mine))
    url = reverse("admin:labeling_instructions_add")
    assert client.post(url, {"project": mine.pk, "text": "Second.", "change_note": "n"}).status_code == 302
    assert client.post(url, {"project": theirs.pk, "text": "Second."}).status_code == 200  # not a valid choice
    texts = models.Instructions.objects.order_by("project", "version").values_list("project", "version", "text")
    assert list(texts) == [(mine.pk, 1, "text of mine"), (mine.pk, 2, "Second."), (theirs.pk, 1, "text of theirs")]


def test_freezing_by_adding_a_snapshot_and_by_the_action(django_capture_on_commit_callbacks):
    project = filled("one")
    empty = Project.objects.create(slug="empty", name="Empty")
    root = User.objects.create_superuser("root")
    client = client_of(root)
    models.Snapshot.objects.all().delete()
    url = reverse("admin:labeling_snapshot_add")
    with django_capture_on_commit_callbacks() as callbacks:
        assert client.post(url, {"project": project.pk}).status_code == 302
    assert len(callbacks) == 1
    assert models.Snapshot.objects.get().requested_by == root
    page = client.post(url, {"project": empty.pk})
    assert b"Empty has no prompts yet" in page.content
    with django_capture_on_commit_callbacks() as callbacks:
        client.post(
            reverse("admin:labeling_projectsetup_changelist"),
            {"action": "freeze", "_selected_action": [project.setup.pk]},
        )
    assert len(callbacks) == 1
    assert models.Snapshot.objects.count() == 2


def test_only_broken_batches_are_deleted():
    project = filled("one")
    client = client_of(manager_of(project))
    broken = models.CompletionBatch.objects.create(digest="b" * 64, project=project, error="Broken.")
    lost = models.CompletionBatch.objects.create(digest="c" * 64, error="Of nobody.")
    url = "admin:labeling_completionbatch_delete"
    assert client.post(reverse(url, args=[broken.pk]), {"post": "yes"}).status_code == 302
    assert not models.CompletionBatch.objects.filter(pk=broken.pk).exists()
    assert client.post(reverse(url, args=[lost.pk]), {"post": "yes"}).status_code in (302, 403)
    assert models.CompletionBatch.objects.filter(pk=lost.pk).exists()
