"""Imports: what goes in, once, whole, and by several workers at the same moment."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from labeling.models import Completion, Demonstration, Import, Prompt, Ranking, Task
from labeling.services.imports import import_create, import_execute
from labeling.services.projects import project_setup_update
from people.models import Project
from people.refusals import Refused
from tests.labeling.imported import RANKED, TABLES, rows, run_import
from tests.labeling.work import open_slots

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def test_a_prompt_with_demonstration_and_ranking(project):
    line = {
        "id": 7,
        "prompt": "Name a colour.",
        "author": "ana",
        "category": "open_qa",
        "source": "labeler",
        "language": "en",
        "demonstration": "Blue.",
        "completions": [
            {"id": "a", "text": "Red", "model": "m1"},
            {"id": "b", "text": "Green"},
            {"id": "c", "text": "Three"},
        ],
        "ranking": [["b", "a"], ["c"]],
    }
    job = run_import(project, [line])
    assert (job.state, job.error) == ("done", "")
    assert job.counts == {"prompts": 1, "demonstrations": 1, "completions": 3, "rankings": 1, "tasks": 0}
    prompt = Prompt.objects.get()
    assert (prompt.external_id, prompt.author, prompt.category, prompt.source, prompt.language) == (
        "7",
        "ana",
        "open_qa",
        "labeler",
        "en",
    )
    assert prompt.messages == [{"role": "user", "content": "Name a colour."}]
    demonstration = Demonstration.objects.get()
    assert (demonstration.text, demonstration.provenance, demonstration.labeler) == ("Blue.", "imported", None)
    ids = {completion.external_id: str(completion.pk) for completion in Completion.objects.all()}
    assert Ranking.objects.get().groups == [[ids["b"], ids["a"]], [ids["c"]]]
    assert Completion.objects.get(external_id="a").model == "m1"


def test_demonstration_tasks_open_for_prompts_that_have_none(project):
    project_setup_update(project=project, overlap=3)
    job = run_import(project, [{"id": "a", "text": "one"}, {"id": "b", "text": "two", "demonstration": "2"}])
    assert job.counts["tasks"] == 1
    task = Task.objects.get()
    assert (task.prompt.external_id, task.kind, open_slots(task)) == ("a", "demonstration", 3)


def test_no_tasks_where_the_setup_says_so(project):
    project_setup_update(project=project, open_demonstrations=False)
    run_import(project, ["one"])
    assert not Task.objects.exists()


def test_the_same_prompts_again_change_nothing(project):
    lines = [{"text": "one"}, {"id": "x", "text": "two", "demonstration": "2"}]
    run_import(project, lines)
    before = [sorted(map(str, table.objects.values_list("pk", flat=True))) for table in TABLES]
    again = run_import(project, lines)
    assert again.counts == {
        "prompts": 0,
        "prompts_unchanged": 2,
        "demonstrations": 0,
        "demonstrations_unchanged": 1,
        "completions": 0,
        "rankings": 0,
        "tasks": 0,
    }
    assert [sorted(map(str, table.objects.values_list("pk", flat=True))) for table in TABLES] == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt": "other"}, "the project has another prompt with the id 'x'"),
        ({"demonstration": "other"}, "the prompt 'x' has another demonstration with the id 'demonstration'"),
        (
            {"completions": [{"id": "a", "text": "other"}, {"id": "b", "text": "B"}]},
            "the prompt 'x' has another completion with the id 'a'",
        ),
        ({"ranking": [["b"], ["a"]]}, "the prompt 'x' has another ranking with the id 'ranking'"),
    ],
)
def test_an_id_that_now_says_something_else_is_a_bad_line(project, change, reason):
    line = {**RANKED, "id": "x", "demonstration": "d", "ranking": [["a"], ["b"]]}
    run_import(project, [line])
    before = rows()
    job = run_import(project, [{"id": "new", "prompt": "new"}, {**line, **change}])
    assert (job.state, job.error) == ("failed", f"Line 2: {reason}. Nothing was imported.")
    assert rows() == before


def test_a_tie_in_another_order_is_the_same_ranking(project):
    line = {**RANKED, "id": "x", "ranking": [["a", "b"]]}
    run_import(project, [line])
    job = run_import(project, [{**line, "ranking": [["b", "a"]]}])
    assert (job.state, job.counts["rankings_unchanged"]) == ("done", 1)


def test_a_later_demonstration_is_added_to_a_known_prompt(project):
    run_import(project, [{"id": "x", "prompt": "p"}])
    job = run_import(project, [{"id": "x", "prompt": "p", "demonstration": "d"}])
    assert (job.counts["prompts_unchanged"], job.counts["demonstrations"]) == (1, 1)


def test_the_same_prompt_twice_in_a_file_is_one_prompt(project):
    job = run_import(project, ["one", "one"])
    assert (job.counts["prompts"], job.counts["prompts_unchanged"]) == (1, 1)


def test_a_known_author_keeps_the_split_when_the_percents_change(project):
    project_setup_update(project=project, valid_percent=90, test_percent=0)
    authors = [f"author-{n}" for n in range(20)]
    run_import(project, [{"prompt": f"first of {author}", "author": author} for author in authors])
    first = dict(Prompt.objects.values_list("author", "split"))
    assert set(first.values()) == {"train", "valid"}
    project_setup_update(project=project, valid_percent=0, test_percent=0)
    run_import(project, [{"prompt": f"second of {author}", "author": author} for author in [*authors, "new"]])
    for author in authors:
        assert set(Prompt.objects.filter(author=author).values_list("split", flat=True)) == {first[author]}
    assert Prompt.objects.get(author="new").split == "train"


def test_an_organisation_keeps_its_people_in_one_split(project):
    project_setup_update(project=project, split_by="organisation", valid_percent=45, test_percent=0)
    lines = [
        {"prompt": f"{o} {n}", "author": f"author {o} {n}", "organisation": f"org {o}"}
        for o in range(20)
        for n in range(3)
    ]
    run_import(project, lines)
    by_organisation = {
        name: set(Prompt.objects.filter(organisation=name).values_list("split", flat=True))
        for name in Prompt.objects.values_list("organisation", flat=True)
    }
    assert all(len(splits) == 1 for splits in by_organisation.values())
    assert {split for splits in by_organisation.values() for split in splits} == {"train", "valid"}
    # Later prompts follow, whatever the percents are by then; an author without an organisation stands alone.
    project_setup_update(project=project, valid_percent=0)
    run_import(project, [{"prompt": f"later {o}", "author": "new", "organisation": f"org {o}"} for o in range(20)])
    run_import(project, [{"prompt": "alone", "author": "author 0 0"}])
    for name, splits in by_organisation.items():
        assert set(Prompt.objects.filter(organisation=name).values_list("split", flat=True)) == splits
    assert Prompt.objects.get(author="author 0 0", organisation="").split == "train"


def test_by_whom_prompts_are_split_stays_once_there_are_some(project):
    project_setup_update(project=project, split_by="organisation")
    run_import(project, ["one"])
    with pytest.raises(Refused, match=r"^The project has prompts, whose splits never move"):
        project_setup_update(project=project, split_by="author")
    assert project_setup_update(project=project, split_by="organisation", overlap=2).overlap == 2


def test_a_failure_of_our_own_leaves_nothing_and_says_so(project, monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the database is on fire")

    monkeypatch.setattr(Ranking._default_manager, "bulk_create", fail)
    job = run_import(project, [{**RANKED, "ranking": [["a"], ["b"]], "demonstration": "d"}])
    assert job.state == "failed"
    assert job.error == "Unexpected error while importing; nothing was imported. The worker's log has the details."
    assert rows() == [0, 0, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_the_same_prompts_at_once(project):
    lines = "".join(json.dumps({"prompt": f"q{n}", "author": f"a{n % 7}"}) + "\n" for n in range(50))
    jobs = [
        import_create(
            project=project,
            upload=SimpleUploadedFile("x.jsonl", lines.encode()),
            format="prompts",
            on_error="abort",
            user=None,
        )
        for _ in range(3)
    ]
    start = threading.Barrier(3)

    def work(pk: int) -> None:
        start.wait()
        import_execute(import_id=pk)
        connection.close()

    threads = [threading.Thread(target=work, args=[job.pk]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = Import.objects.order_by("counts__prompts")
    assert [(job.state, job.counts["prompts"]) for job in done] == [("done", 0), ("done", 0), ("done", 50)]
    assert Prompt.objects.count() == Task.objects.count() == 50


def test_a_second_delivery_is_harmless(project):
    job = run_import(project, ["one"])
    assert import_execute(import_id=job.pk) is False
    assert Prompt.objects.count() == 1
    assert import_execute(import_id=job.pk + 1000) is False


def test_an_upload_that_is_gone_fails_with_a_sentence(project):
    upload = SimpleUploadedFile("x.jsonl", b'"a"')
    job = import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    Path(job.path).unlink()
    assert import_execute(import_id=job.pk)
    job.refresh_from_db()
    assert job.error == "The uploaded file is no longer in the upload folder; upload it again."


def test_the_sample_of_this_repository_goes_in(project):
    path = Path(__file__).resolve().parents[2] / "sample/prompts.jsonl"
    lines = path.read_text().splitlines()
    job = run_import(project, path.read_bytes())
    assert (job.state, job.error) == ("done", "")
    assert Prompt.objects.count() == Demonstration.objects.count() == len(lines)
    authors = {json.loads(line)["author"] for line in lines}
    splits = set(Prompt.objects.values_list("author", "split"))
    assert len(splits) == len(authors)
