"""The data page: what a manager sees and does there, and that nobody else does."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling.models import CompletionBatch, Import, Prompt, Snapshot
from people.models import Membership, Project, Role, User
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def client_of(project: Project | None, role: str) -> Client:
    user = User.objects.create_user(f"user-{User.objects.count()}")
    if project is not None:
        Membership.objects.create(user=user, project=project, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def manager(project) -> Client:
    return client_of(project, Role.MANAGER)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/data/demo/"),
        ("get", "/data/demo/live/"),
        ("post", "/data/demo/upload/"),
        ("post", "/data/demo/freeze/"),
    ],
)
def test_only_managers_come_in(project, method, path):
    for role in (Role.LABELER, Role.REVIEWER, Role.ENGINEER):
        assert getattr(client_of(project, role), method)(path).status_code == 403
    other = Project.objects.create(slug="other", name="Other")
    assert getattr(client_of(other, Role.MANAGER), method)(path).status_code == 404
    answer = getattr(Client(), method)(path)
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login/")
    assert not Import.objects.exists()
    assert not Snapshot.objects.exists()


def test_an_empty_project_says_what_comes_next(manager):
    page = manager.get("/data/demo/").content.decode()
    assert "Nothing imported yet" in page
    assert "Nothing frozen yet" in page
    assert "hx-trigger" not in page


def test_the_only_project_is_opened_at_once_and_several_are_listed(project, manager):
    assert manager.get("/data/")["Location"] == "/data/demo/"
    user = User.objects.get()
    other = Project.objects.create(slug="other", name="The other one")
    Project.objects.create(slug="foreign", name="A foreign one")
    Membership.objects.create(user=user, project=other, role=Role.MANAGER)
    page = manager.get("/data/").content.decode()
    assert "The other one" in page
    assert "A foreign one" not in page
    assert "You manage no project yet" in client_of(None, "").get("/data/").content.decode()


def test_upload_and_follow(project, manager, django_capture_on_commit_callbacks):
    upload = SimpleUploadedFile("my prompts.jsonl", b'"a"\n')
    with django_capture_on_commit_callbacks() as callbacks:
        answer = manager.post("/data/demo/upload/", {"file": upload, "format": "prompts", "on_error": "abort"})
    assert (answer.status_code, answer["Location"]) == (302, "/data/demo/")
    assert len(callbacks) == 1
    assert Import.objects.get().file_name == "my prompts.jsonl"
    live = manager.get("/data/demo/live/").content.decode()
    assert "my prompts.jsonl" in live
    assert "hx-trigger" in live  # asks for itself again while the import waits
    Import.objects.update(state="done")
    assert "hx-trigger" not in manager.get("/data/demo/live/").content.decode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"format": "prompts", "on_error": "abort"}, "Choose a file to import."),
        (
            {"file": SimpleUploadedFile("x.png", b"\x89PNG"), "format": "prompts", "on_error": "abort"},
            "The file is an image, not lines of text.",
        ),
        (
            {"file": SimpleUploadedFile("x.jsonl", b"{}"), "format": "", "on_error": "abort"},
            "There is no format &#x27;&#x27;; choose one of oasst, self_instruct, prompts.",
        ),
    ],
)
def test_a_refused_upload_is_explained_on_the_page(manager, body, sentence):
    if "file" in body:
        body["file"].seek(0)
    page = manager.post("/data/demo/upload/", body, follow=True).content.decode()
    assert sentence in page
    assert not Import.objects.exists()


def test_problems_are_listed_and_hostile_text_is_escaped(project, manager):
    run_import(project, '"fine"\n{"category": "<script>alert(1)</script>"}\n', name="<b>x</b>.jsonl", on_error="skip")
    page = manager.get("/data/demo/").content.decode()
    assert "1 line left out" in page
    assert "Line 2" in page
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page


def test_a_failed_import_shows_its_sentence(project, manager):
    run_import(project, '"fine"\nbroken\n')
    assert "Line 2: not valid JSON: " in manager.get("/data/demo/").content.decode()


def test_freeze(project, manager, django_capture_on_commit_callbacks):
    page = manager.post("/data/demo/freeze/", follow=True).content.decode()
    assert "Demo has no prompts yet, so there is nothing to freeze" in page
    Prompt.objects.create(project=project, external_id="x", messages=[], author="a", split="train")
    with django_capture_on_commit_callbacks() as callbacks:
        assert manager.post("/data/demo/freeze/").status_code == 302
    assert len(callbacks) == 1
    snapshot = Snapshot.objects.get()
    assert (snapshot.state, snapshot.requested_by) == ("queued", User.objects.get())


def test_what_came_back_is_listed(project, manager):
    CompletionBatch.objects.create(
        digest="a" * 64,
        project=project,
        manifest={"meta": {"run": "7", "run_name": "Sample 7"}},
        completions_count=8,
        tasks_opened=2,
    )
    CompletionBatch.objects.create(digest="b" * 64, project=project, error="The file x was changed.")
    page = manager.get("/data/demo/").content.decode()
    assert '<a href="/runs/7/"><bdi>Sample 7</bdi></a>' in page
    assert "The file x was changed." in page


def test_older_imports_are_reached_page_by_page(project, manager):
    for number in range(21):
        Import.objects.create(project=project, format="prompts", file_name=f"file {number}", path="x", state="done")
    Import.objects.create(
        project=Project.objects.create(slug="other"), format="prompts", file_name="foreign", path="x"
    )
    pages, address = [], "/data/demo/"
    while address:
        answer = manager.get(address)
        pages.append([job.file_name for job in answer.context["imports"]])
        page = answer.content.decode()
        address = next(iter(re.findall(r'href="([^"]+)">Older<', page)), "")
    assert [len(shown) for shown in pages] == [10, 10, 1]
    assert [name for shown in pages for name in shown] == [f"file {number}" for number in reversed(range(21))]
    assert '<span class="soft">3 of 3</span>' in page
    assert 'href="/data/demo/?page=2#imports">Newer<' in page
    for nonsense in ("x", "-1", "99", "9" * 5000):
        assert manager.get("/data/demo/", {"page": nonsense}).status_code == 200
    assert client_of(project, Role.REVIEWER).get("/data/demo/?page=2").status_code == 403


def test_a_page_of_older_imports_stays_while_a_job_is_under_way(project, manager):
    for number in range(11):
        Import.objects.create(project=project, format="prompts", file_name=f"file {number}", path="x", state="done")
    Snapshot.objects.create(project=project)
    page = manager.get("/data/demo/?page=2").content.decode()
    (address,) = re.findall(r'hx-get="([^"]+)"', page)
    live = manager.get(address).content.decode()
    assert "file 0" in live
    assert "file 10" not in live


@pytest.mark.parametrize("make", [
    lambda project: Snapshot.objects.create(project=project),
    lambda project: Import.objects.create(project=project, format="prompts", file_name="newest", path="x"),
], ids=["snapshot", "import"])  # fmt: skip
def test_a_job_under_way_that_is_on_another_page_is_followed_too(project, manager, make):
    for number in range(11):
        Import.objects.create(project=project, format="prompts", file_name=f"file {number}", path="x", state="done")
        Snapshot.objects.create(project=project, error=f"Frozen {number}.", state="failed")
    make(project)
    assert "hx-trigger" in manager.get("/data/demo/?page=2&snapshots=2").content.decode()


def test_each_list_has_pages_of_its_own(project, manager):
    for number in range(11):
        Import.objects.create(project=project, format="prompts", file_name=f"file {number}", path="x", state="done")
        Snapshot.objects.create(project=project, error=f"Frozen {number}.", state="failed")
        CompletionBatch.objects.create(digest=f"{number:064x}", project=project, error=f"Batch {number}.")
    answer = manager.get("/data/demo/?page=2&snapshots=2")
    page = answer.content.decode()
    assert [job.file_name for job in answer.context["imports"]] == ["file 0"]
    assert [row.error for row in answer.context["snapshots"]] == ["Frozen 0."]
    assert len(answer.context["batches"]) == 10
    assert re.findall(r'href="([^"]+)">(Newer|Older)<', page) == [
        ("/data/demo/?page=1&amp;snapshots=2#imports", "Newer"),
        ("/data/demo/?page=2&amp;snapshots=1#snapshots", "Newer"),
        ("/data/demo/?page=2&amp;snapshots=2&amp;batches=2#batches", "Older"),
    ]
    assert [row.error for row in manager.get("/data/demo/?batches=2").context["batches"]] == ["Batch 0."]


def test_few_imports_need_no_pages(project, manager):
    Import.objects.create(project=project, format="prompts", file_name="x", path="x")
    assert "Pages of imports" not in manager.get("/data/demo/").content.decode()


def test_the_page_reads_a_fixed_number_of_times(project, manager, django_assert_max_num_queries):
    for number in range(12):
        Import.objects.create(project=project, format="prompts", file_name=f"{number}", path="x")
        Snapshot.objects.create(project=project)
    for address in ("/data/demo/", "/data/demo/?page=2"):
        with django_assert_max_num_queries(16):
            manager.get(address)
