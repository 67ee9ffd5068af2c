"""The data page in a browser: a file goes in and the page follows; accessible wide, narrow, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling.models import CompletionBatch, CurationStep, Import, Prompt, Snapshot
from labeling.services.imports import import_execute
from labeling.services.snapshots import snapshot_create, snapshot_execute
from labeling.services.underway import Reporter
from labeling.tasks import artifact_store
from people.models import Membership, Project, Role, User
from tests.browser.conftest import PHONE, WIDE
from tests.labeling.imported import run_import

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def project(settings, tmp_path) -> Project:
    settings.ARTIFACTS_URL = str(tmp_path / "store")
    return Project.objects.create(slug="demo", name="Everyday assistant")


@pytest.fixture
def manager(project) -> User:
    user = User.objects.create_user("maria")
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    return user


def test_a_file_goes_in_and_the_page_follows(open_page, project, manager):
    page = open_page("/data/demo/", manager)
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "ours.jsonl", "mimeType": "application/jsonl", "buffer": b'"One?"\n"Two?"\n3\n'}
    )
    page.get_by_label("Format").select_option("prompts")
    page.get_by_label("Leave out bad lines and report them").check()
    page.get_by_role("button", name="Import").click()
    job = page.get_by_role("article", name="ours.jsonl")
    expect(job).to_contain_text("Queued")
    assert import_execute(import_id=Import.objects.get().pk)  # what the worker does; the page is not touched
    expect(job).to_contain_text("Added 2 prompts, 2 tasks.")
    job.get_by_text("1 line left out").click()
    expect(job).to_contain_text("an object or a string is expected, not a number")
    assert Prompt.objects.count() == 2

    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_text("not published")).to_be_visible()
    snapshot = Snapshot.objects.get()
    assert snapshot_execute(snapshot_id=snapshot.pk, store=artifact_store())
    snapshot.refresh_from_db()
    expect(page.get_by_role("link", name=snapshot.digest[:12])).to_be_visible()
    expect(page.locator("[hx-trigger]")).to_have_count(0)


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_and_nothing_sticks_out(open_page, axe, project, manager, size, dark):
    run_import(project, '"One?"\n3\n', on_error="skip")
    run_import(project, "broken\n", name="a_rather_long_name_of_a_file_that_somebody_once_exported_2026.jsonl")
    snapshot = snapshot_create(project=project, user=manager)
    assert snapshot_execute(snapshot_id=snapshot.pk, store=artifact_store())
    CompletionBatch.objects.create(digest="a" * 64, project=project, error="The file completions.jsonl was changed.")
    Import.objects.create(project=project, format="prompts", file_name="waits.csv", path="x")
    step = CurationStep.objects.create(project=project, rule="exact", state="done")
    run_import(project, ["Two?"])
    Prompt.objects.filter(messages__0__content="Two?").update(dropped_by=step)
    running = Import.objects.create(
        project=project, format="prompts", file_name="runs.jsonl", path="x", state="running"
    )
    Reporter(running, total=100)
    page = open_page("/data/demo/", manager, size=size, dark=dark)
    page.get_by_text("1 line left out").click()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("dark", [False, True])
def test_the_list_of_projects_is_accessible(open_page, axe, project, manager, dark):
    other = Project.objects.create(slug="other", name="Other")
    Membership.objects.create(user=manager, project=other, role=Role.MANAGER)
    page = open_page("/data/", manager, dark=dark)
    expect(page.get_by_role("link", name="Everyday assistant")).to_be_visible()
    assert axe(page) == []


def test_a_refused_file_is_explained(open_page, project, manager):
    page = open_page("/data/demo/", manager)
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "x.jsonl", "mimeType": "text/plain", "buffer": b"\x89PNG"}
    )
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("The file is an image, not lines of text.")).to_be_visible()
    assert not Import.objects.exists()
