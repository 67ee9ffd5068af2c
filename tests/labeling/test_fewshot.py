"""K examples are K prompts: each in turn the question, the others its context. Worked by hand."""

from __future__ import annotations

import pytest

from labeling.fewshot import expand
from labeling.models import Demonstration, Prompt, Task
from people.models import Project
from tests.labeling.imported import run_import


def test_three_examples_by_hand():
    pairs = [("2+2?", "4"), ("3+3?", "6"), ("1+1?", "2")]
    assert expand("Add.", pairs) == [
        (
            [
                ("system", "Add."),
                ("user", "3+3?"),
                ("assistant", "6"),
                ("user", "1+1?"),
                ("assistant", "2"),
                ("user", "2+2?"),
            ],
            "4",
        ),
        (
            [
                ("system", "Add."),
                ("user", "2+2?"),
                ("assistant", "4"),
                ("user", "1+1?"),
                ("assistant", "2"),
                ("user", "3+3?"),
            ],
            "6",
        ),
        (
            [
                ("system", "Add."),
                ("user", "2+2?"),
                ("assistant", "4"),
                ("user", "3+3?"),
                ("assistant", "6"),
                ("user", "1+1?"),
            ],
            "2",
        ),
    ]


def test_without_an_instruction_there_is_no_system_turn():
    assert expand("", [("a?", "b")]) == [([("user", "a?")], "b")]


@pytest.mark.django_db
def test_a_line_becomes_prompts_of_one_author_and_split_with_their_answers():
    project = Project.objects.create(slug="demo", name="Demo")
    examples = [["2+2?", "4"], ["3+3?", "6"], ["1+1?", ""]]
    line = {"id": "sums", "few_shot": {"instruction": "Add.", "examples": examples}, "category": "other"}
    job = run_import(project, [line, {**line, "id": "", "author": "ana"}])
    assert (job.counts["prompts"], job.counts["demonstrations"], job.counts["tasks"]) == (6, 4, 2)
    named = Prompt.objects.filter(author="sums")
    assert sorted(named.values_list("external_id", flat=True)) == ["sums#1", "sums#2", "sums#3"]
    assert set(named.values_list("kind", "category")) == {("few_shot", "other")}
    assert named.values("split").distinct().count() == 1
    assert Demonstration.objects.get(prompt__external_id="sums#2").text == "6"
    # An answer that is not there yet is asked for.
    assert Task.objects.filter(prompt__external_id="sums#3").exists()
    again = run_import(project, [line, {**line, "id": "", "author": "ana"}])
    assert (again.counts["prompts"], again.counts["prompts_unchanged"]) == (0, 6)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"few_shot": "x"}, "'few_shot' must be an object with instruction and examples"),
        ({"few_shot": {"examples": []}}, "'examples' of 'few_shot' must be a list of [query, response]"),
        ({"few_shot": {"examples": [["q"]]}}, "each of 'examples' must be [query, response], two texts"),
        ({"few_shot": {"examples": [["q", 3]]}}, "each of 'examples' must be [query, response], two texts"),
        (
            {"few_shot": {"examples": [["q", "r"]] * 51}},
            "a few-shot prompt may have at most 50 examples, not 51",
        ),
        (
            {"few_shot": {"examples": [["q", "r"]]}, "demonstration": "d"},
            "a few-shot prompt has its answers in its examples, not in 'demonstration'",
        ),
        ({"few_shot": {"examples": [[" ", "r"]]}}, "the prompt is empty"),
        ({"few_shot": {"instruction": 1.5, "examples": [["q", "r"]]}}, "'instruction' must be text, not float"),
        ({"prompt": "p", "kind": "x"}, "the kind must be one of customer, plain, few_shot, user_based, not 'x'"),
        ({"prompt": "p", "organisation": "x" * 201}, "the organisation is longer than 200 characters"),
    ],
)
def test_what_is_wrong_with_a_few_shot_line_is_said(line, reason):
    job = run_import(Project.objects.create(slug="demo", name="Demo"), [line])
    assert job.error == f"Line 1: {reason}. Nothing was imported."
