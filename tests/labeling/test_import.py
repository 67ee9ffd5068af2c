"""Imports: what goes in, what is refused in one sentence, and that nothing goes in by half."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from labeling.models import Completion, Demonstration, Import, Prompt, Ranking, Task
from labeling.services.imports import import_create, import_execute
from labeling.services.projects import project_setup_update
from people.models import Project
from people.refusals import Refused
from tests.labeling.imported import run_import

pytestmark = pytest.mark.django_db

TABLES = (Prompt, Demonstration, Completion, Ranking, Task)


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def rows() -> list[int]:
    return [table.objects.count() for table in TABLES]


def uploads() -> set[Path]:
    return {path for path in Path(settings.UPLOADS_DIR).rglob("*") if path.is_file()}


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
    assert (task.prompt.external_id, task.kind, task.overlap, task.open_slots) == ("a", "demonstration", 3, 3)


def test_no_tasks_where_the_setup_says_so(project):
    project_setup_update(project=project, open_demonstrations=False)
    run_import(project, ["one"])
    assert not Task.objects.exists()


def test_the_first_bad_line_stops_everything(project):
    job = run_import(project, '{"text": "fine"}\n\n{"text": "broken"\n{"text": "never read"}\n')
    assert job.state == "failed"
    assert job.error.startswith("Line 3: not valid JSON: ")
    assert job.error.endswith("Nothing was imported.")
    assert [problem["line"] for problem in job.problems] == [3]
    assert rows() == [0, 0, 0, 0, 0]


def test_bad_lines_are_left_out_by_choice(project):
    content = '{"text": "fine"}\n{"text": 3.5}\n{"nothing": 1}\n[1]\n"also fine"\n'
    job = run_import(project, content, on_error="skip")
    assert (job.state, job.problem_count) == ("done", 3)
    assert [problem["line"] for problem in job.problems] == [2, 3, 4]
    assert job.problems[0]["reason"] == "'text' must be text, not a number"
    assert job.problems[2]["reason"] == "an object or a string is expected, not a list"
    assert Prompt.objects.count() == 2


def test_many_bad_lines_are_counted_and_the_first_hundred_kept(project):
    job = run_import(project, ["fine", *[{"no": n} for n in range(700)]], on_error="skip")
    assert (job.problem_count, len(job.problems), job.problems[-1]["line"]) == (700, 100, 101)


def test_a_file_without_one_good_line_fails_even_when_bad_ones_are_left_out(project):
    job = run_import(project, [{"no": 1}, {"no": 2}], on_error="skip")
    assert job.state == "failed"
    assert job.error.startswith("No line could be imported; line 1: ")


RANKED = {"prompt": "p", "completions": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({**RANKED, "ranking": [["a"], ["x"], ["b"]]}, "a ranking names the unknown completion 'x'"),
        ({**RANKED, "ranking": [["a"]]}, "a ranking leaves out the completion 'b'"),
        ({**RANKED, "ranking": [["a"], ["b", "a"]]}, "a ranking names the completion 'a' twice"),
        ({**RANKED, "ranking": [["a", "b"], []]}, "a ranking has an empty place"),
        (
            {"prompt": "p", "completions": [{"id": "a", "text": "A"}], "ranking": [["a"]]},
            "a ranking needs at least 2 completions, not 1",
        ),
        (RANKED, "'completions' need their 'ranking', a list of lists of completion ids, best first"),
        (
            {"prompt": "p", "ranking": [["a"]]},
            "a 'ranking' needs its 'completions', a list of objects with id and text",
        ),
        ({"prompt": "nul \x00 here"}, "the content contains a NUL character, which the database cannot keep"),
        ({"prompt": "half \ud83d here"}, "the content contains half of a surrogate pair"),
        ({"prompt": "  "}, "the prompt is empty"),
        (
            {"prompt": "p", "text": "t"},
            "a prompt needs one of 'prompt', 'text' and 'messages': it has prompt and text",
        ),
        ({"prompt": "p", "id": "x" * 201}, "the external id is longer than 200 characters"),
        ({"prompt": "p", "author": "x" * 201}, "the author is longer than 200 characters"),
        ({"prompt": "p", "category": ["a"]}, "'category' must be text, not list"),
        ({"messages": []}, "a prompt needs at least one message"),
        ({"messages": "hello"}, "'messages' must be a list of objects with role and content"),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "a message's role must be one of system, user, assistant, not 'tool'",
        ),
        ({"messages": [{"role": "user"}]}, "a message's content must be text"),
        (
            {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
            "a prompt's last message must be the user's",
        ),
        (None, "an object or a string is expected, not null"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named_with_the_rule(project, line, reason):
    job = run_import(project, [line])
    assert (job.state, job.error) == ("failed", f"Line 1: {reason}. Nothing was imported.")
    assert rows() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\n  \n", "The file is empty."),
        (b"PK\x03\x04rest", "The file is a ZIP archive or an office document, not lines of text."),
        (b"\x89PNG\r\n\x1a\n", "The file is an image, not lines of text."),
        (b"\x1f\x8b\x08\x00", "The file is compressed with gzip, not lines of text."),
        (b"%PDF-1.7", "The file is a PDF, not lines of text."),
        ('"text"'.encode("utf-16"), "The file is UTF-16 text; save it as UTF-8, not lines of text."),
        (b"abc\x00\x01\x02", "The file is binary, not lines of text."),
    ],
)
def test_a_wrong_file_type_is_refused_at_once_and_not_kept(project, content, sentence):
    before = uploads()
    upload = SimpleUploadedFile("file.jsonl", content)
    with pytest.raises(Refused) as refusal:
        import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    assert str(refusal.value) == sentence
    assert uploads() == before
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"format": "excel"}, "There is no format 'excel'; choose one of oasst, self_instruct, prompts."),
        ({"on_error": "ignore"}, "on_error must be 'abort' or 'skip', not 'ignore'."),
    ],
)
def test_unknown_choices_are_refused(project, values, sentence):
    upload = SimpleUploadedFile("file.jsonl", b'"a"')
    with pytest.raises(Refused, match=sentence.replace(".", r"\.")):
        import_create(
            project=project, upload=upload, user=None, **({"format": "prompts", "on_error": "abort"} | values)
        )


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "a" * 300 + ".jsonl", "", "new\nline.csv"])
def test_an_upload_is_stored_under_a_name_of_our_own(project, name):
    upload = SimpleUploadedFile("x", b'"a"')
    upload._name = name
    job = import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    path = Path(job.path)
    assert path.parent == Path(settings.UPLOADS_DIR) / str(project.pk)
    assert path.read_bytes() == b'"a"'
    assert "/" not in job.file_name
    assert job.file_name.isprintable()
    assert 0 < len(job.file_name) <= 200


@pytest.mark.parametrize(
    ("format", "reason"),
    [
        ("oasst", "not an OASST tree: 'message_tree_id' and 'prompt' are expected"),
        ("self_instruct", "not a Self-Instruct task: 'id', 'instruction' and 'instances' are expected"),
    ],
)
def test_a_file_of_another_format_says_what_was_expected(project, format, reason):
    job = run_import(project, [{"prompt": "p"}], format=format)
    assert job.error == f"Line 1: {reason}. Nothing was imported."


def test_undecodable_bytes_are_named_with_their_line(project):
    job = run_import(project, b'"fine"\n"caf\xe9"\n')
    assert job.error == "Line 2: the line is not UTF-8: byte 5 cannot be decoded. Nothing was imported."


def test_a_huge_line_is_left_out_without_reading_it_into_memory(project, monkeypatch):
    monkeypatch.setattr("labeling.formats.reading.MAX_LINE", 1024 * 1024)
    content = b'"one"\n"' + b"x" * (3 * 1024 * 1024) + b'"\n"three"\n'
    job = run_import(project, content, on_error="skip")
    assert job.problems == [{"line": 2, "reason": "the line is longer than 1 MiB"}]
    assert sorted(p.messages[0]["content"] for p in Prompt.objects.all()) == ["one", "three"]


def test_deeply_nested_json_is_a_bad_line(project):
    job = run_import(project, "[" * 100_000 + "\n")
    assert job.error == "Line 1: the JSON is nested too deeply. Nothing was imported."


def test_not_a_number_is_not_json(project):
    job = run_import(project, '{"prompt": "p", "weight": NaN}\n')
    assert job.error == "Line 1: not valid JSON: NaN is not a JSON value. Nothing was imported."


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


def test_a_bad_line_far_down_takes_back_what_was_written_before_it(project):
    lines = [{"prompt": f"question {n}", "demonstration": "answer"} for n in range(1200)]
    job = run_import(project, [*lines, {"no": 1}])
    assert job.error.startswith("Line 1201: ")
    assert rows() == [0, 0, 0, 0, 0]


def test_a_failure_of_our_own_leaves_nothing_and_says_so(project, monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the database is on fire")

    monkeypatch.setattr(Ranking._default_manager, "bulk_create", fail)
    job = run_import(project, [{**RANKED, "ranking": [["a"], ["b"]], "demonstration": "d"}])
    assert job.state == "failed"
    assert job.error == "Unexpected error while importing; nothing was imported. The worker's log has the details."
    assert rows() == [0, 0, 0, 0, 0]


def test_a_full_disk_is_one_sentence(project, monkeypatch):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    before = uploads()
    monkeypatch.setattr("labeling.services.imports.check_file", full)
    with pytest.raises(Refused, match=r"^The file could not be stored: No space left on device\.$"):
        import_create(
            project=project,
            upload=SimpleUploadedFile("x.jsonl", b'"a"'),
            format="prompts",
            on_error="abort",
            user=None,
        )
    assert uploads() == before


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
