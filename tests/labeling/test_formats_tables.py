"""Prompts in tables, CSV and Parquet: plain columns, columns that hold JSON, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from exchange.records import Message
from labeling.formats import parse_file
from labeling.formats.parsed import FileError, ParsedCompletion, ParsedLine, ParsedPrompt, ParsedRanking, Problem


def prompts_of(path: Path) -> list[ParsedPrompt]:
    items = list(parse_file(path, "prompts"))
    assert all(isinstance(item, ParsedLine) for item in items), items
    return [prompt for item in items for prompt in item.prompts]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_quotes_and_line_breaks(tmp_path, delimiter):
    path = tmp_path / "prompts.csv"
    lines = [("prompt", "category", "demonstration"), ('"Say ""hi""\nplease"', "chat", "Hi"), ("Second", "", "")]
    path.write_text("\ufeff" + "\n".join(delimiter.join(line) for line in lines) + "\n", encoding="utf-8")
    first, second = prompts_of(path)
    assert first.messages == (Message("user", 'Say "hi"\nplease'),)
    assert (first.category, [d.text for d in first.demonstrations]) == ("chat", ["Hi"])
    assert (second.messages[0].content, second.demonstrations) == ("Second", ())


def test_csv_problems_carry_their_line(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text('prompt,category\n"two\nlines",chat\ntoo,many,fields\nfew\n,empty\n')
    fine, many, few, empty = parse_file(path, "prompts")
    assert fine.line == 3
    assert many == Problem(4, "the record has more fields than the header")
    assert few == Problem(5, "the record has fewer fields than the header")
    reason = "a prompt needs one of 'prompt', 'text', 'messages' and 'few_shot': it has none of them"
    assert empty == Problem(6, reason)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"Prompt, answer\na,b\n",
            "The table has no column 'prompt', 'text', 'messages' or 'few_shot'; it has “Prompt”, “answer”.",
        ),
        (b"prompt,id, prompt\na,1,b\n", "The table names the column 'prompt' twice."),
        (b"prompt,note,note\na,1,2\n", "The table names the column 'note' twice."),
        (b"prompt\ncaf\xe9\n", "The table is not UTF-8 text; save it as UTF-8."),
        (b'prompt\n"never closed\n', "The CSV is broken at line 2: unexpected end of data."),
    ],
)
def test_a_broken_csv_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "prompts.csv"
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        list(parse_file(path, "prompts"))
    assert str(error.value) == sentence


def test_parquet_rows(tmp_path):
    path = tmp_path / "prompts.parquet"
    rows = [
        {"messages": [{"role": "user", "content": "Hello"}], "author": "ana", "demonstration": "Hi"},
        {"messages": [{"role": "assistant", "content": "Hello"}], "author": None, "demonstration": None},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    fine, wrong = parse_file(path, "prompts")
    (prompt,) = fine.prompts
    assert (prompt.messages, prompt.author) == ((Message("user", "Hello"),), "ana")
    assert wrong == Problem(2, "a prompt's last message must be the user's")


@pytest.mark.parametrize(
    ("format", "sentence"),
    [
        ("prompts", "The Parquet file is broken: "),
        ("oasst", "The file is Parquet, which only the format 'prompts' reads."),
    ],
)
def test_broken_or_unexpected_parquet_is_one_sentence(tmp_path, format, sentence):
    path = tmp_path / "prompts.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(FileError) as error:
        list(parse_file(path, format))
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_parquet_without_a_prompt_column(tmp_path):
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"question": ["a"]}), path)
    with pytest.raises(FileError, match="The table has no column"):
        list(parse_file(path, "prompts"))


RANKING = ParsedRanking(
    "ranking",
    (ParsedCompletion("a", "Blue", "m1"), ParsedCompletion("b", "Three, or so"), ParsedCompletion("3", "Red")),
    (("b", "a"), ("3",)),
)
COMPLETIONS = (
    '[{"id": "a", "text": "Blue", "model": "m1"}, {"id": "b", "text": "Three, or so"}, {"id": 3, "text": "Red"}]'
)


def test_csv_cells_hold_json_where_a_field_is_more_than_text(tmp_path):
    path = tmp_path / "prompts.csv"
    quoted = COMPLETIONS.replace('"', '""')
    path.write_text(
        "messages,completions,ranking\n"
        f'"[{{""role"": ""user"", ""content"": ""Name a colour.""}}]","{quoted}","[[""b"", ""a""], [3]]"\n'
        '"[{""role"": ""user"", ""content"": ""No ranking""}]",,\n'
    )
    first, second = prompts_of(path)
    assert first.messages == (Message("user", "Name a colour."),)
    assert first.rankings == (RANKING,)
    assert (second.messages, second.rankings) == ((Message("user", "No ranking"),), ())


def test_a_parquet_column_of_text_holds_json_too(tmp_path):
    path = tmp_path / "prompts.parquet"
    row = {"prompt": "[not JSON]", "completions": COMPLETIONS, "ranking": '[["b", "a"], ["3"]]'}
    parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    (prompt,) = prompts_of(path)
    assert prompt.messages == (Message("user", "[not JSON]"),)
    assert prompt.rankings == (RANKING,)


@pytest.mark.parametrize(
    ("header", "cell", "reason"),
    [
        ("messages", "hello", "the column 'messages' is not valid JSON: Expecting value at character 1"),
        ("messages", "NaN", "the column 'messages' is not valid JSON: NaN is not a JSON value"),
        ("messages", '"hello"', "'messages' must be a list of objects with role and content"),
        ("prompt,completions", "p;[{", "the column 'completions' is not valid JSON: Expecting property name enclosed"),
        ("prompt,ranking", "p;a > b", "the column 'ranking' is not valid JSON: Expecting value at character 1"),
    ],
)
def test_a_cell_that_is_not_the_json_it_should_be_names_its_column(tmp_path, header, cell, reason):
    path = tmp_path / "prompts.csv"
    cells = ['"' + text.replace('"', '""') + '"' for text in cell.split(";")]
    path.write_text(header + "\n" + ",".join(cells) + "\n")
    (problem,) = parse_file(path, "prompts")
    assert isinstance(problem, Problem)
    assert problem.line == 2
    assert problem.reason.startswith(reason)


def test_a_csv_may_begin_with_a_bracket(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("[note],prompt,,\nx,Hello,,\n")
    (prompt,) = prompts_of(path)
    assert prompt.messages == (Message("user", "Hello"),)
