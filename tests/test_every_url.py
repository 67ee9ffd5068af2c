"""Every address of the platform as every kind of person: no server error, and the status that one table names.

An address that is not in the table fails the first test, so nobody adds one without saying who may use it.
"""

from __future__ import annotations

import uuid

import pytest
from django.contrib import admin
from django.db import transaction
from django.urls import URLPattern, get_resolver, reverse

from tests.world import make_world

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "stranger", "labeler", "reviewer", "manager", "engineer", "superuser")
# Status by person, in the order of PEOPLE. A stranger is signed in and belongs to another project.
# The labeler owns the assignment; nobody else may see it, not even a superuser.
TABLE = {
    # name                  method and statuses
    "home": "GET 302 200 200 200 200 200 200",
    "login": "GET 200 302 302 302 302 302 302",
    "logout": "POST 302 302 302 302 302 302 302",
    "admin-sign-in": "GET 302 403 403 403 403 403 302",
    "api-schema": "GET 200 200 200 200 200 200 200",
    "api-docs": "GET 200 200 200 200 200 200 200",
    "api-token": "POST 401 401 401 401 401 401 401",
    "account-tokens": "GET 302 200 200 200 200 200 200",
    "account-token-revoke": "POST 302 404 302 404 404 404 404",
    "api-tokens": "GET 401 200 200 200 200 200 200",
    "api-token-detail": "DELETE 401 404 204 404 404 404 404",
    "api-member": "PATCH 401 404 403 403 200 403 200",
    "api-me": "GET 401 200 200 200 200 200 200",
    "api-projects": "GET 401 200 200 200 200 200 200",
    "api-project": "GET 401 404 200 200 200 200 200",
    "api-members": "GET 401 404 403 403 200 403 200",
    # data
    "data-home": "GET 302 200 200 200 302 200 200",
    "data-project": "GET 302 404 403 403 200 403 200",
    "data-live": "GET 302 404 403 403 200 403 200",
    "data-upload": "POST 302 404 403 403 302 403 302",
    "data-freeze": "POST 302 404 403 403 302 403 302",
    "curation": "GET 302 404 403 403 200 403 200",
    "curation-live": "GET 302 404 403 403 200 403 200",
    "curation-run": "POST 302 404 403 403 302 403 302",
    "curation-step": "GET 302 404 403 403 200 403 200",
    "curation-undo": "POST 302 404 403 403 302 403 302",
    "api-curation": "GET 401 404 403 403 200 403 200",
    "api-curation-funnel": "GET 401 404 403 403 200 403 200",
    "api-curation-step": "GET 401 404 403 403 200 403 200",
    "api-curation-undo": "POST 401 404 403 403 202 403 202",
    "api-curation-dropped": "GET 401 404 403 403 200 403 200",
    "api-curation-masks": "GET 401 404 403 403 200 403 200",
    "api-setup": "GET 401 404 200 200 200 200 200",
    "api-instructions": "GET 401 404 200 200 200 200 200",
    "api-forms": "GET 401 404 200 200 200 200 200",
    "api-form": "GET 401 404 200 200 200 200 200",
    "api-overview": "GET 401 404 403 200 200 200 200",
    "api-prompts": "GET 401 404 403 200 200 200 200",
    "api-prompt": "GET 401 404 403 200 200 200 200",
    "api-imports": "GET 401 404 403 403 200 403 200",
    "api-import": "GET 401 404 403 403 200 403 200",
    "api-snapshots": "GET 401 404 403 200 200 200 200",
    "api-snapshot": "GET 401 404 403 200 200 200 200",
    "api-completion-batches": "GET 401 404 403 200 200 200 200",
    # labeling
    "label-home": "GET 302 200 200 200 200 200 200",
    "label-assignment": "GET 302 404 200 404 404 404 404",
    "label-compare": "GET 302 404 200 404 404 404 404",
    "label-skip": "POST 302 404 400 404 404 404 404",
    "label-release": "POST 302 404 302 404 404 404 404",
    "label-resume": "POST 302 404 302 404 404 404 404",
    "label-next": "POST 302 404 302 302 302 403 302",
    "label-instructions": "GET 302 404 200 200 200 403 200",
    "label-instructions-read": "POST 302 404 302 302 302 403 302",
    "label-next-anywhere": "POST 302 302 302 302 302 302 302",
    "label-history": "GET 302 200 200 200 200 200 200",
    "label-entry": "GET 302 404 200 404 404 404 404",
    "label-preview": "POST 302 200 200 200 200 200 200",
    "label-talk": "GET 302 404 200 404 404 404 404",
    "label-revisions": "GET 302 404 200 404 404 404 404",
    "label-revision": "GET 302 404 200 404 404 404 404",
    "review-home": "GET 302 200 200 302 302 200 200",
    "review-list": "GET 302 404 403 200 200 403 200",
    "review-label": "GET 302 404 403 200 200 403 200",
    "talk-project": "GET 302 404 403 200 200 403 200",
    "talk-task": "GET 302 404 403 200 200 403 200",
    "talk-announce": "POST 302 404 403 403 400 403 400",
    "talk-announcement-end": "POST 302 404 403 403 302 403 302",
    "api-progress": "GET 401 200 200 200 200 200 200",
    "api-history": "GET 401 200 200 200 200 200 200",
    "api-feedback-unread": "GET 401 200 200 200 200 200 200",
    "api-answers-unread": "GET 401 200 200 200 200 200 200",
    "api-assignment-label": "GET 401 404 200 404 404 404 404",
    "api-assignment-correct": "POST 401 404 400 404 404 404 404",
    "api-assignment-revisions": "GET 401 404 200 404 404 404 404",
    "api-assignment-feedback": "GET 401 404 200 200 200 404 200",
    "api-assignment-posts": "GET 401 404 200 404 404 404 404",
    "api-review": "GET 401 404 403 200 200 403 200",
    "api-task-posts": "GET 401 404 403 200 200 403 200",
    "api-task-settle": "POST 401 404 403 400 400 403 400",
    "api-questions": "GET 401 404 403 200 200 403 200",
    "api-announcements": "GET 401 404 200 200 200 200 200",
    "api-announcement": "DELETE 401 404 403 403 204 403 204",
    "api-reading": "GET 401 404 200 200 200 403 200",
    "api-assignments-next": "POST 401 404 201 201 201 403 201",
    "api-assignment": "GET 401 404 200 404 404 404 404",
    "api-assignment-draft": "PUT 401 404 200 404 404 404 404",
    "api-assignment-heartbeat": "POST 401 404 200 404 404 404 404",
    "api-assignment-resume": "POST 401 404 200 404 404 404 404",
    "api-assignment-skip": "POST 401 404 400 404 404 404 404",
    "api-assignment-submit": "POST 401 404 400 404 404 404 404",
    "api-assignment-release": "POST 401 404 200 404 404 404 404",
    "api-assignment-continue": "POST 401 404 400 404 404 404 404",
    "api-assignment-flag": "POST 401 404 400 404 404 404 404",
    "api-next-anywhere": "POST 401 204 201 201 201 204 201",
    "api-flags": "GET 401 404 403 403 200 403 200",
    "api-skips": "GET 401 404 403 403 200 403 200",
    "api-flag-settle": "POST 401 404 403 403 200 403 200",
    "api-tasks": "POST 401 404 403 403 400 403 400",
    "api-task": "GET 401 404 403 403 200 403 200",
    "api-offers": "GET 401 404 403 403 200 403 200",
    "api-offer": "DELETE 401 404 403 403 204 403 204",
    "api-prompt-completions": "POST 401 404 403 403 400 400 400",
    # training
    "run-list": "GET 302 200 403 200 200 200 200",
    "run-new": "GET 302 200 403 403 200 200 200",
    "run-detail": "GET 302 404 403 200 200 200 200",
    "run-live": "GET 302 404 403 200 200 200 200",
    "run-stop": "POST 302 404 403 403 302 302 302",
    "run-resume": "POST 302 404 403 403 302 302 302",
    "run-log": "GET 302 404 403 200 200 200 200",
    "model-list": "GET 302 200 403 200 200 200 200",
    "model-detail": "GET 302 404 403 200 200 200 200",
    "model-file": "GET 302 404 403 200 200 200 200",
    "snapshot-detail": "GET 302 404 403 200 200 200 200",
    "snapshot-file": "GET 302 404 403 200 200 200 200",
    "api-runs": "GET 401 200 403 200 200 200 200",
    "api-run": "GET 401 404 403 200 200 200 200",
    "api-run-cancel": "POST 401 404 403 403 200 200 200",
    "api-run-resume": "POST 401 404 403 403 409 409 409",
    "api-run-metrics": "GET 401 404 403 200 200 200 200",
    "api-checkpoints": "GET 401 200 403 200 200 200 200",
    "api-checkpoint": "GET 401 404 403 200 200 200 200",
    "api-training-snapshots": "GET 401 200 403 200 200 200 200",
    "api-run-settings": "GET 401 200 403 200 200 200 200",
}


def named(patterns):
    """The names of all addresses outside the admin."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name
        elif pattern.app_name != "admin":
            yield from named(pattern.url_patterns)


@pytest.fixture
def world(settings, tmp_path):
    """One of everything in one project, and a person of every role in it."""
    settings.ARTIFACTS_URL = str(tmp_path / "artifacts")
    settings.RUNS_DIR = tmp_path / "runs"
    return make_world(tmp_path)


def address(name, world):
    """The address of that name about the world's objects."""
    if name in ("model-file", "snapshot-file"):
        row, file = (world.checkpoint, "config.json") if name == "model-file" else (world.published, "prompts.jsonl")
        return reverse(name, kwargs={"digest": row.digest, "name": file})
    about = {
        "prompt": {"pk": world.prompt.pk},
        "import": {"pk": world.import_.pk},
        "snapshot": {"pk": world.snapshot.pk},
        "label-entry": {"pk": world.submitted.pk},
        "assignment-label": {"pk": world.submitted.pk},
        "assignment-feedback": {"pk": world.submitted.pk},
        "label-revisions": {"pk": world.writing.pk},
        "label-revision": {"pk": world.writing.pk, "number": 1},
        "label-talk": {"pk": world.assignment.pk},
        "review-label": {"slug": world.project.slug, "pk": world.submitted.pk},
        "talk-task": {"slug": world.project.slug, "pk": world.submitted.task_id},
        "talk-announcement-end": {"slug": world.project.slug, "pk": world.announcement.pk},
        "api-announcement": {"pk": world.announcement.pk},
        "assignment": {"pk": world.assignment.pk},
        "api-curation": {"pk": world.step.pk},
        "curation-step": {"slug": world.project.slug, "pk": world.step.pk},
        "curation-undo": {"slug": world.project.slug, "pk": world.step.pk},
        "flag-settle": {"pk": world.flag.pk},
        "task": {"pk": world.offer.task_id},
        "offers": {"pk": world.offer.task_id},
        "api-offer": {"pk": world.offer.pk},
        "label-compare": {"pk": world.assignment.pk},
        "label-skip": {"pk": world.assignment.pk},
        "label-release": {"pk": world.assignment.pk},
        "label-resume": {"pk": world.assignment.pk},
        "run": {"run_id": world.run.pk},
        "checkpoint": {"digest": world.checkpoint.digest},
        "model-detail": {"digest": world.checkpoint.digest},
        "snapshot-detail": {"digest": world.published.digest},
        "settings": {"kind": "sft"},
        "token": {"handle": world.token.handle},
        "member": {"slug": world.project.slug, "username": "labeler", "role": "labeler"},
        "form": {"slug": world.project.slug, "version": 0},
        "project": {"slug": world.project.slug},
    }
    pattern = next(p for p in everything() if p.name == name)
    wanted = set(pattern.pattern.converters)
    found = [kwargs for kwargs in about.values() if set(kwargs) == wanted]
    if len(found) > 1:
        found = [kwargs for key, kwargs in about.items() if set(kwargs) == wanted and key in name]
    return reverse(name, kwargs=found[0] if wanted else {})


def everything(patterns=None):
    for pattern in patterns or get_resolver().url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        elif pattern.app_name != "admin":
            yield from everything(pattern.url_patterns)


def test_the_table_names_every_address():
    assert sorted(named(get_resolver().url_patterns)) == sorted(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_person_gets_what_the_table_says(client, world, name):
    method, *expected = TABLE[name].split()
    url = address(name, world)
    found = []
    for person in PEOPLE:
        user = world.people[person]
        body = {"content_type": "application/json", "data": "{}"} if url.startswith("/api/") else {}
        with transaction.atomic():
            client.logout() if user is None else client.force_login(user)
            found.append(str(client.generic(method, url, **body).status_code))
            transaction.set_rollback(True)  # each person finds the world as it was made
    assert dict(zip(PEOPLE, found, strict=True)) == dict(zip(PEOPLE, expected, strict=True)), f"{method} {url}"


@pytest.mark.parametrize("name", sorted(TABLE))
def test_what_does_not_exist_is_not_found(client, world, name):
    pattern = next(p for p in everything() if p.name == name)
    unknown = {
        "slug": "none", "pk": 10**6, "run_id": 10**6, "digest": "0" * 64, "name": "none", "kind": "none",
        "version": 10**6, "number": 10**6, "handle": uuid.UUID(int=0), "username": "none", "role": "none",
    }  # fmt: skip
    kwargs = {key: unknown[key] for key in pattern.pattern.converters}
    if not kwargs:
        return
    if "uuid:pk" in str(pattern.pattern):
        kwargs["pk"] = uuid.UUID(int=0)
    client.force_login(world.people["superuser"])
    method = TABLE[name].split()[0]
    url = reverse(name, kwargs=kwargs)
    answer = client.generic(method, url, "{}", content_type="application/json")
    # A kind of run is a word of the request, not an object.
    assert answer.status_code == (400 if name == "api-run-settings" else 404), f"{method} {url}"


ADMIN = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.mark.parametrize("model", ADMIN, ids=lambda model: model._meta.label)
def test_the_admin_of_every_table(client, world, model):
    row = model._default_manager.first()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    pages = [reverse(f"{name}_changelist"), reverse(f"{name}_add")]
    pages += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history", "delete")] if row else []
    for page in pages:
        client.force_login(world.people["superuser"])
        assert client.get(page).status_code in (200, 302, 403), page
        for person in ("labeler", "manager", "engineer", "stranger"):
            client.force_login(world.people[person])  # none of them is staff
            answer = client.get(page)
            assert answer.status_code == 302, (person, page)
            assert answer.headers["Location"].startswith("/admin/login/"), (person, page)
    client.force_login(world.people["superuser"])
    assert client.get(pages[0]).status_code == 200, pages[0]
