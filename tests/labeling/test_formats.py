"""Formats are pure: a path in, parsed lines and problems out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exchange.records import Message
from labeling.formats import parse_file
from labeling.formats.parsed import ParsedLine, ParsedPrompt, Problem

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def prompts_of(path: Path, format: str) -> list[ParsedPrompt]:
    items = list(parse_file(path, format))
    assert all(isinstance(item, ParsedLine) for item in items), items
    return [prompt for item in items for prompt in item.prompts]


def node(name: str, role: str, text: str, *replies: dict, **values) -> dict:
    return {"message_id": name, "role": role, "text": text, "replies": list(replies), **values}


def tree(root: dict) -> str:
    return json.dumps({"message_tree_id": root["message_id"], "tree_state": "ready_for_export", "prompt": root}) + "\n"


def test_an_oasst_tree_by_hand(tmp_path):
    path = tmp_path / "tree.jsonl"
    follow_up = node("q2", "prompter", "And then?", node("a3", "assistant", "Rest."))
    path.write_text(
        tree(
            node(
                "q1",
                "prompter",
                "How do I sleep?",
                node("a1", "assistant", "Go to bed.", follow_up, rank=1),
                node("a2", "assistant", "As a model, …", rank=0, synthetic=True, model_name="bot"),
                node("q0", "prompter", "a prompter's reply to a prompter"),
                lang="en",
            )
        )
    )
    first, second = prompts_of(path, "oasst")
    assert (first.external_id, first.author, first.source, first.language) == ("q1", "q1", "oasst", "en")
    assert first.messages == (Message("user", "How do I sleep?"),)
    assert [(d.external_id, d.text) for d in first.demonstrations] == [("a1", "Go to bed.")]
    (ranking,) = first.rankings
    assert ranking.groups == (("a2",), ("a1",))
    assert [(c.external_id, c.model) for c in ranking.completions] == [("a1", ""), ("a2", "bot")]
    assert (second.external_id, second.author) == ("q2", "q1")
    assert [m.role for m in second.messages] == ["user", "assistant", "user"]
    assert second.rankings == ()


def test_the_first_prompter_is_the_author_of_the_whole_tree(tmp_path):
    path = tmp_path / "tree.jsonl"
    inner = node("q2", "prompter", "?", node("a2", "assistant", "!"), user_id="bob")
    path.write_text(tree(node("q1", "prompter", "?", node("a1", "assistant", "!", inner), user_id="ana")))
    assert [prompt.author for prompt in prompts_of(path, "oasst")] == ["ana", "ana"]


def test_what_was_deleted_is_left_out_with_all_that_hangs_on_it(tmp_path):
    path = tmp_path / "tree.jsonl"
    inner = node("q2", "prompter", "?", node("a2", "assistant", "!"))
    path.write_text(
        tree(
            node(
                "q1",
                "prompter",
                "?",
                node("a1", "assistant", "!", inner, deleted=True, rank=0),
                node("b1", "assistant", "!", rank=1),
            )
        )
    )
    (prompt,) = prompts_of(path, "oasst")
    assert ([d.external_id for d in prompt.demonstrations], prompt.rankings) == (["b1"], ())


@pytest.mark.parametrize(
    ("ranks", "groups"),
    [
        ((2, 0, 1), (("1",), ("2",), ("0",))),
        ((0, 0, 1), (("0", "1"), ("2",))),
        ((5, 9, 7), (("0",), ("2",), ("1",))),
        ((0, 1, None), None),
    ],
)
def test_sibling_ranks_become_groups(tmp_path, ranks, groups):
    path = tmp_path / "tree.jsonl"
    answers = [node(str(i), "assistant", f"answer {i}", rank=rank) for i, rank in enumerate(ranks)]
    path.write_text(tree(node("q", "prompter", "?", *answers)))
    (prompt,) = prompts_of(path, "oasst")
    assert tuple(ranking.groups for ranking in prompt.rankings) == (() if groups is None else (groups,))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (node("", "prompter", "?", node("a", "assistant", "!")), "a message of the tree has no 'message_id'"),
        (node("q", "robot", "?"), "the role of message q must be prompter or assistant, not 'robot'"),
        ({"message_id": "q", "role": "prompter"}, "message q has no text"),
        (node("q", "prompter", "?", "x"), "a message of the tree must be an object"),
        (
            node("q", "prompter", "?", node("a", "assistant", "1", rank="0"), node("b", "assistant", "2", rank="1")),
            "the ranks below message q must be whole numbers",
        ),
        (
            node("q", "prompter", "?", node("a", "assistant", "1", rank=0), node("a", "assistant", "2", rank=1)),
            "a ranking names the completion 'a' twice",
        ),
    ],
)
def test_a_broken_tree_is_a_problem(tmp_path, broken, reason):
    path = tmp_path / "tree.jsonl"
    path.write_text(
        "\n" + json.dumps({"message_tree_id": "t", "prompt": broken}) + "\n" + tree(node("q", "prompter", "?"))
    )
    problem, fine = parse_file(path, "oasst")
    assert problem == Problem(2, reason)
    assert fine == ParsedLine(3, ())


def test_a_very_deep_conversation_is_read(tmp_path):
    path = tmp_path / "tree.jsonl"
    message = node("a150", "assistant", "the end")
    for number in range(150, 0, -1):
        message = node(f"q{number}", "prompter", "go on", message)
        message = node(f"a{number - 1}", "assistant", "so", message) if number > 1 else message
    path.write_text(tree(message))
    prompts = prompts_of(path, "oasst")
    assert len(prompts) == 150
    assert len(prompts[-1].messages) == 299


@pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not on this machine")
@pytest.mark.parametrize(
    ("file", "format", "prompts", "demonstrations"),
    [
        ("self_instruct/user_oriented_instructions.jsonl", "self_instruct", 252, 252),
        ("self_instruct/seed_tasks.jsonl", "self_instruct", 175, 175),
        ("prompts_koala/koala_test_set.jsonl", "prompts", 180, 0),
        ("oasst_sample/prompt_lottery_en_250_text.jsonl", "prompts", 250, 0),
    ],
)
def test_published_counts_of_real_files(file, format, prompts, demonstrations):
    parsed = prompts_of(DATA / file, format)
    assert (len(parsed), sum(len(p.demonstrations) for p in parsed)) == (prompts, demonstrations)


def test_self_instruct_instances(tmp_path):
    path = tmp_path / "tasks.jsonl"
    task = {
        "id": "t1",
        "instruction": "Say the opposite. ",
        "instances": [
            {"input": "hot", "output": "cold"},
            {"input": "", "output": "?"},
            {"input": "up", "output": " "},
        ],
        "is_classification": True,
    }
    path.write_text(json.dumps(task))
    parsed = prompts_of(path, "self_instruct")
    assert [p.external_id for p in parsed] == ["t1#1", "t1#2", "t1#3"]
    assert {p.author for p in parsed} == {"t1"}
    assert {p.category for p in parsed} == {"classification"}
    assert parsed[0].messages == (Message("user", "Say the opposite.\n\nhot"),)
    assert parsed[1].messages == (Message("user", "Say the opposite."),)
    assert [[d.text for d in p.demonstrations] for p in parsed] == [["cold"], ["?"], []]


def test_a_prompt_without_an_id_gets_one_from_its_content(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('"same"\n{"text": "same"}\n{"messages": [{"role": "user", "content": "same"}]}\n"other"\n')
    ids = [prompt.external_id for prompt in prompts_of(path, "prompts")]
    assert ids[0] == ids[1] == ids[2] != ids[3]
