"""The admin's list of prompts at any size: no count of all rows, a fixed number of queries, searches by index."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import CurationStep, Demonstration, Prompt
from people.models import Membership, Project, Role, User
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db
LIST = reverse("admin:labeling_prompt_changelist")


@pytest.fixture
def project() -> Project:
    project = Project.objects.create(slug="demo", name="Demo")
    lines = [{"id": f"p{n}", "prompt": f"text {n}", "author": f"a{n % 3}", "category": "chat"} for n in range(9)]
    run_import(project, lines)
    return project


@pytest.fixture
def manager(project) -> Client:
    user = User.objects.create_user("maria", is_staff=True)
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    client = Client()
    client.force_login(user)
    return client


def shown(client: Client, **asked: str) -> list[str]:
    page = client.get(LIST, asked)
    assert page.status_code == 200
    return sorted(prompt.external_id for prompt in page.context["cl"].result_list)


def test_a_long_list_is_cut_and_says_so(manager, monkeypatch):
    assert "or more" not in manager.get(LIST).content.decode()
    monkeypatch.setattr("labeling.admin.paging.REACHABLE", 4)
    page = manager.get(LIST)
    assert page.context["cl"].result_count == 4
    assert "or more; filter or search for others" in page.content.decode()


def test_no_query_counts_all_rows_and_their_number_is_fixed(project, manager):
    for prompt in Prompt.objects.all()[:5]:
        Demonstration.objects.create(prompt=prompt, text="d", provenance="imported")
    with CaptureQueriesContext(connection) as few:
        manager.get(LIST)
    run_import(project, [f"another {n}" for n in range(40)])
    with CaptureQueriesContext(connection) as many:
        manager.get(LIST)
    assert len(few) == len(many) <= 19
    counts = [query["sql"] for query in many if "COUNT(*)" in query["sql"] and "labeling_prompt" in query["sql"]]
    assert counts
    assert all("LIMIT 10001" in sql for sql in counts)
    assert not any("SELECT DISTINCT" in query["sql"] and "labeling_prompt" in query["sql"] for query in many)


def test_numbers_of_labels_stand_beside_each_prompt(project, manager):
    prompt = Prompt.objects.get(external_id="p3")
    for text in ("one", "two"):
        Demonstration.objects.create(prompt=prompt, text=text, provenance="imported")
    rows = {row.external_id: row._demonstrations for row in manager.get(LIST).context["cl"].result_list}
    assert (rows["p3"], rows["p4"]) == (2, None)


def test_searches_by_id_author_and_words(project, manager):
    other = Project.objects.create(slug="other", name="Other")
    run_import(other, [{"id": "p1", "prompt": "text 1 of others", "author": "a1"}])
    assert shown(manager, q="p1") == ["p1"]
    assert shown(manager, q=str(Prompt.objects.get(external_id="p2").pk)) == ["p2"]
    assert shown(manager, q="a2") == ["p2", "p5", "p8"]
    assert shown(manager, q="TEXT 7") == ["p7"]
    assert shown(manager, q="nothing like it") == []


def test_words_are_looked_for_among_the_newest(project, manager, monkeypatch):
    monkeypatch.setattr("labeling.selectors.prompts.SEARCHED", 2)
    run_import(project, [{"id": "new1", "prompt": "later text"}])
    run_import(project, [{"id": "new2", "prompt": "latest text"}])
    assert shown(manager, q="text") == ["new1", "new2"]


def test_filters(project, manager):
    step = CurationStep.objects.create(project=project, rule="exact", state="done")
    Prompt.objects.filter(external_id="p1").update(dropped_by=step, category="extract", kind="customer")
    assert shown(manager, in_use="no") == ["p1"]
    assert len(shown(manager, in_use="yes")) == 8
    assert shown(manager, category="extract") == ["p1"]
    assert shown(manager, kind__exact="customer") == ["p1"]
    assert len(shown(manager, project__id__exact=str(project.pk))) == 9
