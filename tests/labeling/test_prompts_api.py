"""Prompts by the API: how they are searched, their labels, and who sees the names of people."""

from __future__ import annotations

import pytest
from django.db import connection
from rest_framework.test import APIClient

from labeling.models import Completion, Demonstration, Prompt, Ranking
from people.models import Role, User
from tests.labeling.data_api import client_of, make_prompt

pytestmark = pytest.mark.django_db


def test_prompts_are_searched(project, manager):
    make_prompt(project, "apple")
    make_prompt(project, "pear", "valid")
    url = "/api/v1/projects/demo/prompts/"

    def found(query: str) -> list[str]:
        return [prompt["external_id"] for prompt in manager.get(url + query).json()["results"]]

    assert found("") == ["apple", "pear"]
    assert found("?search=QUESTION%20apple") == ["apple"]
    assert found("?search=author%20of%20pear") == ["pear"]
    assert found("?split=valid") == ["pear"]
    assert found("?search=%25") == []
    assert found("?limit=1&offset=1") == ["pear"]


def test_a_search_reads_the_newest_prompts_alone(project, manager, monkeypatch):
    monkeypatch.setattr("labeling.selectors.prompts.SEARCHED", 20)
    Prompt.objects.bulk_create(
        Prompt(
            project=project,
            external_id=f"e{n}",
            author=f"a{n}",
            split="train",
            messages=[{"role": "user", "content": f"t{n}."}],
        )
        for n in range(2_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_prompt")

    def found(words: str) -> tuple[list[str], int]:
        """What is found, and how many rows of the table were read for it."""
        before = rows_read()
        answer = manager.get("/api/v1/projects/demo/prompts/", {"search": words}).json()
        return [prompt["external_id"] for prompt in answer["results"]], rows_read() - before

    newest = Prompt.objects.order_by("-created_at", "-pk")[:21]
    said = [prompt.messages[0]["content"] for prompt in newest]
    # Looked through twice, to count and to show.
    assert found(said[19])[0] == [newest[19].external_id]
    assert found(said[20])[0] == []
    assert found(said[0])[1] < 200
    ids, read = found("a7")
    assert ids == ["e7"]
    assert read < 20


def rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'labeling_prompt'"
        )
        return cursor.fetchone()[0]


def test_a_prompt_with_its_labels(project, manager):
    prompt = make_prompt(project)
    ana = User.objects.create_user("ana")
    one, two = (Completion.objects.create(prompt=prompt, external_id=t, text=t, model="m") for t in ("x", "y"))
    Demonstration.objects.create(prompt=prompt, text="An answer.", provenance="human", labeler=ana)
    Ranking.objects.create(prompt=prompt, groups=[[str(two.pk)], [str(one.pk)]], provenance="imported")
    body = manager.get(f"/api/v1/prompts/{prompt.pk}/").json()
    assert body["messages"] == [{"role": "user", "content": "Question one?"}]
    assert [(d["text"], d["labeler"]) for d in body["demonstrations"]] == [("An answer.", "ana")]
    assert [(r["groups"], r["labeler"]) for r in body["rankings"]] == [([[str(two.pk)], [str(one.pk)]], "")]
    assert {c["text"] for c in body["completions"]} == {"x", "y"}


def test_a_prompt_takes_the_same_questions_however_many_labels_it_has(project, manager, django_assert_max_num_queries):
    prompt = make_prompt(project)
    for number in range(20):
        labeler = User.objects.create_user(f"labeler-{number}")
        Demonstration.objects.create(prompt=prompt, text="An answer.", provenance="human", labeler=labeler)
        Ranking.objects.create(prompt=prompt, groups=[], provenance="human", labeler=labeler)
    with django_assert_max_num_queries(12):
        body = manager.get(f"/api/v1/prompts/{prompt.pk}/").json()
    assert len({d["labeler"] for d in body["demonstrations"]}) == 20


@pytest.mark.parametrize(
    ("role", "sees_names"), [(Role.ENGINEER, False), (Role.REVIEWER, True), (Role.MANAGER, True), ("superuser", True)]
)
def test_who_sees_the_names_of_people(project, settings, role, sees_names):
    settings.PSEUDONYM_KEY = "key"
    client = client_of(project, role) if role in Role.values else APIClient()
    if role == "superuser":
        client.force_authenticate(User.objects.create_superuser("root"))
    prompt = make_prompt(project)
    ana = User.objects.create_user("ana", pk=4711)
    Demonstration.objects.create(prompt=prompt, text="An answer.", provenance="human", labeler=ana)
    Demonstration.objects.create(prompt=prompt, text="Imported.", provenance="imported", source_labeler="zoe")
    Ranking.objects.create(prompt=prompt, groups=[], provenance="human", labeler=ana)
    answer = client.get(f"/api/v1/prompts/{prompt.pk}/")
    body = answer.json()
    (listed,) = client.get("/api/v1/projects/demo/prompts/").json()["results"]
    # By `openssl dgst -sha256 -hmac key` of "demo", a zero byte and the key of the person, 16 characters.
    labeler, author = ("ana", "author of one") if sees_names else ("04ed66c10b9ba3cf", "152d6f3d20bca5e8")
    assert [d["labeler"] for d in body["demonstrations"]] == [labeler, ""]
    assert [r["labeler"] for r in body["rankings"]] == [labeler]
    assert body["author"] == listed["author"] == author
    assert ("ana" in answer.content.decode()) == sees_names
    found = client.get("/api/v1/projects/demo/prompts/?search=author%20of%20one").json()["count"]
    assert found == (1 if sees_names else 0)  # else a search would tell who wrote it
