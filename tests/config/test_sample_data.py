"""The demo project's own data: what its README promises holds, line by line."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from exchange.records import Message, Prompt

SAMPLE = Path(__file__).resolve().parents[2] / "sample"
FIELDS = {"id", "category", "author", "source", "kind", "messages", "demonstration"}
ID_PREFIX = {
    "generation": "gen",
    "open_qa": "oqa",
    "brainstorming": "brs",
    "chat": "cht",
    "rewrite": "rew",
    "summarization": "sum",
    "classification": "cls",
    "other": "oth",
    "closed_qa": "cqa",
    "extract": "ext",
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    with (SAMPLE / "prompts.jsonl").open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture(scope="module")
def readme() -> str:
    return (SAMPLE / "README.md").read_text(encoding="utf-8")


def words(text: str) -> int:
    return len(text.split())


def turns(row: dict[str, Any]) -> list[str]:
    return [message["role"] for message in row["messages"]]


def test_every_line_has_exactly_the_documented_fields(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert set(row) == FIELDS, row.get("id")
        assert row["source"] == "labeler", row["id"]
        assert row["kind"] in {"plain", "user_based"}, row["id"]
        assert re.fullmatch(r"author-\d\d", row["author"]), row["id"]
        assert re.fullmatch(ID_PREFIX[row["category"]] + r"-\d{3}", row["id"])


def test_every_prompt_is_a_valid_record(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        messages = tuple(Message(**message) for message in row["messages"])
        Prompt(id=row["id"], messages=messages, split="train", category=row["category"], source=row["source"])


def test_turns_alternate_after_an_optional_system_turn_and_end_with_the_user(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        roles = turns(row)
        dialogue = roles[1:] if roles[0] == "system" else roles
        assert dialogue[0::2] == ["user"] * ((len(dialogue) + 1) // 2), row["id"]
        assert dialogue[1::2] == ["assistant"] * (len(dialogue) // 2), row["id"]
        assert dialogue[-1] == "user", row["id"]


def test_ids_prompts_and_demonstrations_are_unique(rows: list[dict[str, Any]]) -> None:
    for name, keys in {
        "id": [row["id"] for row in rows],
        "last user turn": [" ".join(row["messages"][-1]["content"].lower().split()) for row in rows],
        "demonstration": [" ".join(row["demonstration"].lower().split()) for row in rows],
    }.items():
        repeated = [key for key, count in Counter(keys).items() if count > 1]
        assert not repeated, f"{name} occurs twice: {repeated}"


def test_all_ten_use_cases_are_covered(rows: list[dict[str, Any]]) -> None:
    counts = Counter(row["category"] for row in rows)
    assert len(rows) >= 120
    assert set(counts) == set(ID_PREFIX)
    assert min(counts.values()) >= 8
    assert counts.most_common(1)[0][0] == "generation"


def test_the_first_third_of_the_file_has_every_use_case(rows: list[dict[str, Any]]) -> None:
    assert {row["category"] for row in rows[: len(rows) // 3]} == set(ID_PREFIX)


def test_texts_are_short_enough_to_train_on_a_cpu(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert 10 <= words(row["demonstration"]) <= 120, row["id"]
        assert 10 <= sum(words(message["content"]) for message in row["messages"]) <= 150, row["id"]
        for text in [row["demonstration"], *(message["content"] for message in row["messages"])]:
            assert text == text.strip() != "", row["id"]


def test_code_in_demonstrations_is_fenced_and_parses(rows: list[dict[str, Any]]) -> None:
    parsed = Counter[str]()
    for row in rows:
        assert row["demonstration"].count("```") % 2 == 0, row["id"]
        for language, code in re.findall(r"```(\w+)\n(.*?)```", row["demonstration"], flags=re.DOTALL):
            parsed[language] += 1
            if language == "python":
                compile(code, row["id"], "exec")
            elif language == "json":
                json.loads(code)
    assert parsed["python"] > 0
    assert parsed["json"] > 0


def test_authors_are_many_and_uneven(rows: list[dict[str, Any]]) -> None:
    counts = Counter(row["author"] for row in rows)
    assert len(counts) >= 20
    assert max(counts.values()) >= 5 * min(counts.values())
    assert max(counts.values()) <= 0.2 * len(rows), "one author must not be able to empty a split"


def test_readme_counts_match_the_file(rows: list[dict[str, Any]], readme: str) -> None:
    counts = Counter(row["category"] for row in rows)
    stated = {name: int(n) for name, n in re.findall(r"^\| (\w+) \| (\d+) \|", readme, flags=re.MULTILINE)}
    assert stated == {**counts, "total": len(rows)}
    shares = {name: float(s) for name, s in re.findall(r"^\| (\w+) \| \d+ \| ([\d.]+) \|", readme, flags=re.MULTILINE)}
    assert shares == {name: pytest.approx(100 * n / len(rows), abs=0.051) for name, n in counts.items()}


def test_readme_sentences_match_the_file(rows: list[dict[str, Any]], readme: str) -> None:
    kinds = Counter(row["kind"] for row in rows)
    authors = Counter(row["author"] for row in rows)
    several_turns = sum("assistant" in turns(row) for row in rows)
    system_turns = sum(turns(row)[0] == "system" for row in rows)
    text = " ".join(readme.split())
    assert text.startswith(f"# Sample data: the demo project's own {len(rows)} prompts with one")
    assert f"{kinds['plain']} prompts are *plain*" in text
    assert f"{kinds['user_based']} are *user-based*" in text
    assert f"{several_turns} have several turns and {system_turns} begin with a system turn" in text
    fewest, most = min(authors.values()), max(authors.values())
    assert f"{len(authors)} fictional authors wrote between {fewest} and {most} prompts each" in text


def test_instructions_fit_on_one_page_and_name_their_version() -> None:
    text = (SAMPLE / "instructions.md").read_text(encoding="utf-8")
    assert text.startswith("# Instructions for labelers, version 1\n")
    assert words(text) < 600
    order = [text.index(f"**{aim}.**") for aim in ("Helpful", "Truthful", "Harmless")]
    assert order == sorted(order)
