"""Columns that the format does not know: left out of an import, and named in one sentence that a person can read."""

from __future__ import annotations

import json
from io import BytesIO

import pyarrow
import pytest
from django.test import Client
from pyarrow import parquet

from labeling.formats.unused import Unused
from labeling.models import Import
from people.models import Membership, Project, Role, User
from tests.labeling.data_api import client_of
from tests.labeling.imported import RANKED, run_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def page_of(project: Project) -> str:
    user = User.objects.create_user("ana")
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    client = Client()
    client.force_login(user)
    return client.get("/data/demo/").content.decode()


def test_long_names_that_begin_alike_are_two():
    unused = Unused()
    unused.add(
        ["question_about_the_customers_experience_part_1", "question_about_the_customers_experience_part_2"] * 2
    )
    assert (unused.count, len(set(unused.first))) == (2, 1)  # cut alike for the eye


def test_keys_of_json_lines_are_named_once_in_the_order_of_the_file(project):
    job = run_import(
        project, [{"prompt": "a", "notes": 1, "catgeory": "x"}, {"text": "b", "notes": 2, "id": "7"}, "c"]
    )
    assert (job.state, job.counts["prompts"]) == ("done", 3)
    assert job.not_used == "Not used: “notes”, “catgeory”."
    assert "Not used: “<bdi>notes</bdi>”, “<bdi>catgeory</bdi>”." in page_of(project)
    manager = client_of(project, Role.MANAGER)
    assert manager.get(f"/api/v1/imports/{job.pk}/").json()["not_used"] == job.not_used


def test_columns_of_a_csv_that_hold_something_are_named(project):
    job = run_import(project, ",prompt, grade ,empty\n0,One?,5,\n1,Two?,,\n", name="x.csv")
    assert job.not_used == "Not used: “(no name)”, “grade”."


def test_columns_of_a_parquet_file_are_named(project):
    file = BytesIO()
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "grade": [None, 3]}), file)
    assert run_import(project, file.getvalue(), name="x.parquet").not_used == "Not used: “grade”."


def test_a_file_of_known_columns_leaves_nothing_to_say(project):
    told = ("id", "author", "organisation", "category", "source", "language", "demonstration")
    line = {**RANKED, "ranking": [["a"], ["b"]], "kind": "plain", **dict.fromkeys(told, "x")}
    few_shot = {"few_shot": {"instruction": "i", "examples": [["q", "r"]]}}
    messages = {"messages": [{"role": "user", "content": "m"}]}
    job = run_import(project, [line, few_shot, messages, {"text": "t"}])
    assert (job.state, job.not_used) == ("done", "")
    assert "Not used" not in page_of(project)


@pytest.mark.parametrize(
    ("line", "format"),
    [
        (
            {
                "message_tree_id": "t",
                "tree_state": "ready_for_export",
                "prompt": {
                    "message_id": "q",
                    "role": "prompter",
                    "text": "?",
                    "emojis": {},
                    "replies": [{"message_id": "a", "role": "assistant", "text": "!"}],
                },
            },
            "oasst",
        ),
        (
            {"id": "1", "name": "n", "instruction": "Add.", "instances": [{"input": "", "output": "2"}]},
            "self_instruct",
        ),
    ],
)
def test_formats_whose_files_have_keys_that_nothing_is_done_with_name_none(project, line, format):
    job = run_import(project, [line], format=format)
    assert (job.state, job.not_used) == ("done", "")


def test_a_failed_import_used_nothing_and_names_nothing(project):
    job = run_import(project, [{"prompt": "a", "notes": 1}, {"no": 1}])
    assert (job.state, job.not_used) == ("failed", "")


def test_prompts_that_come_over_the_api_say_the_same(project):
    manager = client_of(project, Role.MANAGER)
    body = {"prompts": [{"prompt": "a", "notes": 1}, "b"]}
    answer = manager.post("/api/v1/projects/demo/prompts/", body, format="json").json()
    assert answer["not_used"] == "Not used: “notes”."
    assert Import.objects.get().not_used == "Not used: “notes”."


def test_ten_are_named_and_the_others_counted(project):
    job = run_import(project, [{"prompt": "p", **{f"k{n}": n for n in range(11)}}])
    named = ", ".join(f"“k{n}”" for n in range(10))
    assert job.not_used == f"Not used: {named} and 1 more."
    assert "“<bdi>k9</bdi>” and 1 more." in page_of(project)


def test_names_are_cut_and_lose_what_cannot_be_printed(project):
    names = ["x" * 40, "y" * 41, "turned\u202e round\x00\n", "<b>", "half \ud83d"]
    job = run_import(project, [{"prompt": "p", **dict.fromkeys(names, 1)}])
    assert job.unused == ["x" * 40, "y" * 39 + "…", "turned round", "<b>", "half"]
    assert "“<bdi>&lt;b&gt;</bdi>”" in page_of(project)


def test_a_hostile_number_of_names_is_bounded(project):
    lines = [{"prompt": f"{n}", **{f"{n}-{key}": 0 for key in range(400)}} for n in range(10)]
    job = run_import(project, "".join(json.dumps(line) + "\n" for line in lines))
    assert (job.counts["prompts"], len(job.unused), job.unused_count) == (10, 10, 1000)
    assert job.not_used.endswith("“0-9” and at least 990 more.")


def test_a_full_list_of_names_is_looked_at_no_further():
    unused = Unused()
    unused.add(f"{n}" for n in range(1000))
    names = iter(["0", "new", "never read"])
    unused.add(names)
    assert list(names) == ["new", "never read"]
    assert (unused.count, unused.first) == (1000, [f"{n}" for n in range(10)])
