"""Files made to do harm, and text that is only unusual: each has one outcome, and memory stays bounded."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pyarrow
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pyarrow import parquet

from labeling.formats import parse_file
from labeling.formats.parsed import FileError, ParsedLine, Problem
from labeling.models import Import, Prompt
from labeling.services.imports import import_create
from people.models import Project
from people.refusals import Refused
from tests.labeling.imported import rows, run_import

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


@contextmanager
def at_most(mebibytes: int) -> Iterator[None]:
    """What runs inside takes no more memory than that, by Python's own count and by Arrow's."""
    arrow = pyarrow.default_memory_pool().bytes_allocated()
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak + pyarrow.default_memory_pool().bytes_allocated() - arrow < mebibytes * MIB


def texts() -> list[str]:
    return [prompt.messages[-1]["content"] for prompt in Prompt.objects.order_by("created_at", "pk")]


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.csv", "prompts.parquet"])
def test_a_zip_bomb_is_refused_unopened(project, name):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prompts.jsonl", b"0" * (50 * MIB))
    upload = SimpleUploadedFile(name, packed.getvalue())
    sentence = r"^The file is a ZIP archive or an office document, not lines of text\.$"
    with at_most(5), pytest.raises(Refused, match=sentence):
        import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    assert not Import.objects.exists()


def test_a_line_of_a_gigabyte_is_read_past_in_pieces(tmp_path):
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as stream:
        stream.write(b'"before"\n"' + b"x" * 5000)
        stream.truncate(1024 * MIB)  # a hole in the file: zeros that no disk holds
        stream.seek(0, 2)
        stream.write(b'\n"after"\n')
    with at_most(40):
        first, huge, last = parse_file(path, "prompts")
    assert huge == Problem(2, "the line is longer than 8 MiB")
    assert [line.prompts[0].messages[0].content for line in (first, last)] == ["before", "after"]


def test_a_csv_line_of_a_gigabyte_ends_the_import(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as stream:
        stream.write(b"prompt\nfine\n")
        stream.write(b"x" * (100 * MIB))
    with at_most(40):
        found = parse_file(path, "prompts")
        assert isinstance(next(found), ParsedLine)
        with pytest.raises(FileError, match=r"^Line 3 of the table is longer than 8 MiB\.$"):
            next(found)


def test_a_csv_quote_that_never_ends_ends_the_import(project):
    job = run_import(project, 'prompt\n"' + "a line\n" * 2 * MIB, name="x.csv")
    assert job.state == "failed"
    assert job.error.startswith("The CSV is broken at line ")
    assert rows() == [0, 0, 0, 0, 0]


def test_json_of_many_empty_objects_is_a_bad_line(project):
    line = '{"prompt": "p", "more": [' + ",".join(["{}"] * 200_000) + "]}\n"
    with at_most(10):
        job = run_import(project, line + '"fine"\n', on_error="skip")
    assert job.problems == [{"line": 1, "reason": "the line holds more than 100,000 objects and lists"}]
    assert texts() == ["fine"]


def test_few_examples_that_repeat_a_long_instruction_are_bounded(project):
    examples = [[f"q{n}", f"a{n}"] for n in range(50)]
    line = {"few_shot": {"instruction": "x" * (2 * MIB), "examples": examples}}
    job = run_import(project, [line])
    assert job.error == "Line 1: the line becomes more than 64 MiB of prompts. Nothing was imported."


def test_instances_that_repeat_a_long_instruction_are_bounded(project):
    line = {"id": "t", "instruction": "x" * (4 * MIB), "instances": [{"input": str(n)} for n in range(50_000)]}
    with at_most(150):
        job = run_import(project, [line], format="self_instruct")
    assert job.error == "Line 1: the line becomes more than 64 MiB of prompts. Nothing was imported."


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.formats.parquet.MAX_UNPACKED", 64 * MIB)
    path = tmp_path / "bomb.parquet"
    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 100_000), pyarrow.array(["x" * MIB]))
    parquet.write_table(pyarrow.table({"prompt": texts}), path)
    assert path.stat().st_size < MIB
    sentence = r"^The Parquet file unpacks to more than 0 GiB of text; split it\.$"
    with at_most(250), pytest.raises(FileError, match=sentence):
        list(parse_file(path, "prompts"))


def test_a_column_that_says_it_is_huge_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.formats.parquet._MAX_COLUMN", 1000)
    path = tmp_path / "large.parquet"
    parquet.write_table(pyarrow.table({"prompt": [f"{n} " * 100 for n in range(100)]}), path)
    with pytest.raises(FileError, match=r"^The Parquet file has a row group too large to read"):
        list(parse_file(path, "prompts"))


def messages_of(texts: list[str], length: int) -> pyarrow.ListArray:
    """A column of messages, `length` of them in each row, whose contents are of `texts` in turn."""
    count = length * len(texts)
    contents = pyarrow.DictionaryArray.from_arrays(pyarrow.array([n // length for n in range(count)]), texts)
    messages = pyarrow.StructArray.from_arrays([pyarrow.array(["user"] * count), contents], ["role", "content"])
    return pyarrow.ListArray.from_arrays(range(0, count + 1, length), messages)


def test_a_parquet_row_of_lists_that_repeat_a_long_text_is_not_spelled_out(tmp_path):
    path = tmp_path / "bomb.parquet"
    lines = [*("ab"), "x" * MIB]
    table = pyarrow.table({"messages": messages_of(lines, 999), "category": ["a", "b", "c"]})
    parquet.write_table(table, path, dictionary_pagesize_limit=64 * MIB)
    assert path.stat().st_size < MIB
    with at_most(20):
        first, second, bomb = parse_file(path, "prompts")
    assert isinstance(first, ParsedLine)
    assert isinstance(second, ParsedLine)
    assert second.prompts[0].messages[998].content == "b"
    assert bomb == Problem(3, "the lists of the row hold more than 64 MiB of text")


def test_text_inside_lists_counts_towards_what_a_parquet_file_may_unpack_to(tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.formats.parquet.MAX_UNPACKED", 8 * MIB)
    path = tmp_path / "bomb.parquet"
    parquet.write_table(
        pyarrow.table({"messages": messages_of(["x" * MIB] * 3, 3)}), path, dictionary_pagesize_limit=64 * MIB
    )
    with pytest.raises(FileError, match=r"^The Parquet file unpacks to more than"):
        list(parse_file(path, "prompts"))


def test_formulas_in_a_csv_are_text(project):
    formulas = ['=HYPERLINK("http://example.org")', "+1+1", "-2", "@SUM(A1)", "\t=1"]
    content = "prompt\n" + "".join('"' + text.replace('"', '""') + '"\n' for text in formulas)
    job = run_import(project, content, name="x.csv")
    assert (job.state, texts()) == ("done", formulas)


UNUSUAL = [
    "اكتب قصيدة عن البحر",
    "שלום \u202eabc\u202c עולם",
    "👩\u200d👩\u200d👧 family, flag 🇩🇪, skin 👍🏽",
    "zero\u200bwidth\ufeffmarks\u2060here",
    "combining e\u0301 and n\u0303",
    "tab\there, line\nbreak, back\\slash, \\N and \\. and a quote \" '",
    "control \x01 \x1f \x7f and \u2028 separator",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 beyond the first plane",
]


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet"])
def test_unusual_text_comes_in_as_it_is(project, name):
    if name == "x.jsonl":
        content = "".join(json.dumps(text) + "\n" for text in UNUSUAL).encode()
    elif name == "x.csv":
        content = ("prompt\n" + "".join('"' + text.replace('"', '""') + '"\n' for text in UNUSUAL)).encode()
    else:
        packed = BytesIO()
        parquet.write_table(pyarrow.table({"prompt": UNUSUAL}), packed)
        content = packed.getvalue()
    job = run_import(project, content, name=name)
    assert (job.state, texts()) == ("done", UNUSUAL)
    again = run_import(project, content, name=name)
    assert again.counts["prompts_unchanged"] == len(UNUSUAL)


def test_every_field_takes_unusual_text(project):
    fields = ("id", "author", "organisation", "source", "category", "language")
    odd = "\\N\t\n\r\\."
    run_import(project, [{"prompt": "p", "kind": "customer", **dict.fromkeys(fields, odd)}])
    prompt = Prompt.objects.get()
    assert [prompt.external_id, prompt.author, prompt.organisation, prompt.source, prompt.category] == [odd] * 5
    assert (prompt.language, prompt.kind) == (odd, "customer")


def test_an_upload_of_many_blocks_is_streamed(project, monkeypatch):
    monkeypatch.setattr("labeling.services.imports.PROMPTS_AT_ONCE", 7)
    job = run_import(project, [{"id": f"{n % 40}", "prompt": f"text {n % 40}"} for n in range(100)])
    assert (job.counts["prompts"], job.counts["prompts_unchanged"], job.counts["tasks"]) == (40, 60, 40)
    assert Path(job.path).exists() is False
