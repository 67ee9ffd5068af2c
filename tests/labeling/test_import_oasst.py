"""The real OASST sample goes in whole, once, and in a number of queries that does not grow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling.models import Completion, Demonstration, Prompt, Ranking, Task
from people.models import Project
from tests.labeling.imported import run_import

DATA = Path(__file__).resolve().parents[2] / "../shared/data/oasst_sample/en_100_tree.jsonl"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the OASST sample is not on this machine"),
]


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="oasst", name="OASST")


def test_everything_of_the_sample_is_imported(project):
    job = run_import(project, DATA.read_bytes(), format="oasst")
    assert (job.state, job.error, job.problem_count) == ("done", "", 0)
    # 211 groups of these sizes and 670 human replies are published figures of the sample.
    assert Demonstration.objects.filter(provenance="imported").count() == 670
    sizes = Counter(sum(len(g) for g in groups) for groups in Ranking.objects.values_list("groups", flat=True))
    assert sizes == {2: 57, 3: 116, 4: 27, 5: 3, 6: 6, 8: 1, 9: 1}
    assert Ranking.objects.filter(provenance="imported").count() == 211
    assert Completion.objects.count() == 57 * 2 + 116 * 3 + 27 * 4 + 5 * 3 + 6 * 6 + 8 + 9
    assert {name: job.counts[name] for name in ("demonstrations", "rankings")} == {
        "demonstrations": 670,
        "rankings": 211,
    }


def test_a_conversation_is_in_one_split(project):
    run_import(project, DATA.read_bytes(), format="oasst")
    split_of = dict(Prompt.objects.values_list("external_id", "split"))
    drawn = []
    for line in DATA.read_text().splitlines():
        waiting, splits = [json.loads(line)["prompt"]], set()
        while waiting:
            message = waiting.pop()
            waiting += message["replies"]
            if message["message_id"] in split_of:
                splits.add(split_of[message["message_id"]])
        assert len(splits) == 1
        drawn += splits
    assert len(drawn) == 100
    assert 3 <= drawn.count("valid") <= 30  # 15 % of 100 authors


def test_a_prompt_has_the_whole_conversation_before_it(project):
    run_import(project, DATA.read_bytes(), format="oasst")
    tree, followed, question = next(
        (tree, answer, reply)
        for tree in (json.loads(line)["prompt"] for line in DATA.read_text().splitlines())
        for answer in tree["replies"]
        for reply in answer["replies"]
        if reply["replies"]
    )
    assert Prompt.objects.get(external_id=question["message_id"]).messages == [
        {"role": "user", "content": tree["text"]},
        {"role": "assistant", "content": followed["text"]},
        {"role": "user", "content": question["text"]},
    ]


def test_a_ranking_keeps_the_published_order(project):
    run_import(project, DATA.read_bytes(), format="oasst")
    tree = json.loads(DATA.read_text().splitlines()[0])
    answers = sorted(tree["prompt"]["replies"], key=lambda message: message["rank"])
    ranking = Ranking.objects.get(prompt__external_id=tree["message_tree_id"])
    texts = [Completion.objects.get(pk=pk).text for (pk,) in ranking.groups]
    assert texts == [answer["text"] for answer in answers]


def test_importing_again_changes_nothing(project):
    first = run_import(project, DATA.read_bytes(), format="oasst")
    tables = (Prompt, Demonstration, Ranking, Completion, Task)
    before = [set(table.objects.values_list("pk", flat=True)) for table in tables]
    again = run_import(project, DATA.read_bytes(), format="oasst")
    assert again.state == "done"
    assert [set(table.objects.values_list("pk", flat=True)) for table in tables] == before
    assert again.counts["prompts_unchanged"] == first.counts["prompts"]
    assert again.counts["demonstrations_unchanged"] == 670
    assert again.counts["rankings_unchanged"] == 211
    assert again.counts["prompts"] == again.counts["demonstrations"] == again.counts["rankings"] == 0


def test_the_number_of_queries_does_not_grow_with_the_rows():
    lines = DATA.read_bytes().splitlines(keepends=True)
    counts = []
    for size in (10, 100):
        project = Project.objects.create(slug=f"queries-{size}", name="Queries")
        with CaptureQueriesContext(connection) as queries:
            run_import(project, b"".join(lines[:size]), format="oasst")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 25
