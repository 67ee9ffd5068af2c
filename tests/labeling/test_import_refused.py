"""Imports that are refused: one sentence for each bad line or file, and nothing goes in by half."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.models import Import, Prompt
from labeling.services.imports import import_create
from people.models import Project
from people.refusals import Refused
from tests.labeling.imported import RANKED, rows, run_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def uploads() -> set[Path]:
    return {path for path in Path(settings.UPLOADS_DIR).rglob("*") if path.is_file()}


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
        ({"prompt": "\u200b"}, "the prompt is empty"),
        (
            {"prompt": "p", "text": "t"},
            "a prompt needs one of 'prompt', 'text', 'messages' and 'few_shot': it has prompt and text",
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
        ('"text"'.encode("utf-16"), "The file is UTF-16 text; save it as UTF-8."),
        (b"abc\x00\x01\x02", "The file is binary, not lines of text."),
        (b'[{"text": "a"}, {"text": "b"}]\n', "The file is one JSON array; save one object a line (JSON Lines)."),
        (b'\xef\xbb\xbf\n [\n  "a"\n]', "The file is one JSON array; save one object a line (JSON Lines)."),
        (b'["' + b"a" * 5000 + b'"]', "The file is one JSON array; save one object a line (JSON Lines)."),
        (
            b'{\n  "text": "a"\n}\n',
            "The file's first JSON object goes over several lines; save one object a line (JSON Lines).",
        ),
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


@pytest.mark.parametrize("format", ["oasst", "self_instruct"])
def test_no_format_reads_one_array(project, format):
    with pytest.raises(Refused, match=r"^The file is one JSON array; save one object a line \(JSON Lines\)\.$"):
        run_import(project, '[\n{"message_tree_id": "t"},\n{"id": "i"}\n]\n', format=format)


def test_a_first_line_that_is_a_list_is_a_bad_line_like_any_other(project):
    job = run_import(project, '[1]\n"fine"\n', on_error="skip")
    assert job.problems == [{"line": 1, "reason": "an object or a string is expected, not a list"}]
    assert Prompt.objects.count() == 1


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


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\boot.ini", "a" * 300 + ".jsonl", "", " ", "new\nline.csv"]
)
def test_an_upload_is_stored_under_a_name_of_our_own(project, name):
    upload = SimpleUploadedFile("x", b'"a"')
    upload._name = name
    job = import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    path = Path(job.path)
    assert path.parent == Path(settings.UPLOADS_DIR) / str(project.pk)
    assert path.read_bytes() == b'"a"'
    assert "/" not in job.file_name
    assert job.file_name.isprintable()
    assert 0 < len(job.file_name.strip()) <= 200


@pytest.mark.parametrize(
    ("format", "reason"),
    [
        ("oasst", "not an OASST tree: 'message_tree_id' and 'prompt' are expected"),
        ("self_instruct", "not a Self-Instruct task: 'id', 'instruction' and 'instances' are expected"),
    ],
)
def test_a_file_of_another_format_says_what_was_expected(project, format, reason):
    job = run_import(project, [{"question": "p"}], format=format)
    assert job.error == f"Line 1: {reason}. Nothing was imported."


TREE = {"message_tree_id": "t", "prompt": {"message_id": "m", "role": "prompter", "text": "?", "replies": []}}
TASK = {"id": "seed_1", "instruction": "Add.", "instances": [{"input": "1 1", "output": "2"}]}
LOOKS_LIKE = {
    "oasst": "an Open-Assistant message tree: choose the format 'OASST message trees (JSON lines)', oasst",
    "self_instruct": "a Self-Instruct task: choose the format 'Self-Instruct tasks (JSON lines)', self_instruct",
    "prompts": "a plain prompt: choose the format 'Prompts (JSON lines, CSV or Parquet)', prompts",
}


@pytest.mark.parametrize(
    ("line", "format", "is_like"),
    [
        (TREE, "prompts", "oasst"),
        (TASK, "prompts", "self_instruct"),
        (TREE, "self_instruct", "oasst"),
        (TASK, "oasst", "self_instruct"),
        ({"prompt": "p"}, "oasst", "prompts"),
        ("p", "self_instruct", "prompts"),
    ],
)
def test_a_file_that_looks_like_another_format_says_which_one_to_choose(project, line, format, is_like):
    job = run_import(project, [line], format=format)
    assert job.error.endswith(f"; the line looks like {LOOKS_LIKE[is_like]}. Nothing was imported.")


@pytest.mark.parametrize(
    ("line", "format"),
    [
        ({"prompt": 3.5, "message_tree_id": "t"}, "prompts"),
        ({"message_id": "m", "role": "assistant", "text": "An answer."}, "oasst"),  # half of such a file are answers
        ({**TREE, "prompt": 7}, "oasst"),
    ],
)
def test_a_line_that_is_like_no_other_format_gets_no_such_advice(project, line, format):
    job = run_import(project, [line], format=format)
    assert job.state == "failed"
    assert "choose the format" not in job.error


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
    job = run_import(project, '{"messages":' + "[" * 100_000 + "\n")
    assert job.error == "Line 1: the JSON is nested too deeply. Nothing was imported."


def test_not_a_number_is_not_json(project):
    job = run_import(project, '{"prompt": "p", "weight": NaN}\n')
    assert job.error == "Line 1: not valid JSON: NaN is not a JSON value. Nothing was imported."


def test_a_number_of_thousands_of_digits_is_refused_in_words_of_ours(project):
    job = run_import(project, '{"prompt": "p", "weight": ' + "9" * 5000 + "}\n")
    assert job.error == "Line 1: a whole number of the JSON has more than 4,300 digits. Nothing was imported."


def test_a_bad_line_far_down_takes_back_what_was_written_before_it(project):
    lines = [{"prompt": f"question {n}", "demonstration": "answer"} for n in range(1200)]
    job = run_import(project, [*lines, {"no": 1}])
    assert job.error.startswith("Line 1201: ")
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
