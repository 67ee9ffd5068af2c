"""Pretraining text: read from files, cut into rows, drawn by seed and step alone."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from training.engine import ptx
from training.engine.base import byte_tokenizer
from training.engine.config import settings_for
from training.engine.errors import RunError
from training.engine.pretrain import pretrain_draw, pretrain_rows
from training.engine.reporter import Reporter
from training.engine.runtime import Run

EOS = 2
NO_TEXT = 'The pretraining text a.jsonl has a line that is no {"text": "…"}.'
RUN = Run("sft", Path("."), {}, settings_for("sft"), Reporter(None), torch.device("cpu"), torch.float32)


def rows(path, length=4, **options):
    run = replace(RUN, inputs={"pretrain": {"name": "text", "path": str(path)}})
    return [list(row) for row in pretrain_rows(run, byte_tokenizer(), length, **options)]


def ids(text):
    return byte_tokenizer().encode(text, add_special_tokens=False)


def test_documents_end_with_the_end_token_and_the_rest_of_a_row_is_left_out(tmp_path):
    (tmp_path / "b.txt").write_text("fgh")
    (tmp_path / "a.jsonl").write_text('{"text": "abcd", "url": "x"}\n\n{"text": "e"}\n')
    (tmp_path / "notes.md").write_text("not read")
    everything = [*ids("abcd"), EOS, *ids("e"), EOS, *ids("fgh"), EOS]  # 11 tokens: two rows of four
    assert rows(tmp_path) == [everything[:4], everything[4:8]]
    assert rows(tmp_path, most=1) == [everything[:4]]
    assert rows(tmp_path / "b.txt") == [[*ids("fgh"), EOS]]


def test_a_waiting_token_takes_four_bytes(tmp_path):
    """205 million of them on each rank are .8 GiB then, and were several times that as Python's integers."""
    (tmp_path / "text.txt").write_text("abcdefgh" * 1000)
    run = replace(RUN, inputs={"pretrain": {"name": "text", "path": str(tmp_path)}})
    [row] = pretrain_rows(run, byte_tokenizer(), 8000)
    assert sys.getsizeof(row) < 4 * 8000 + 200
    assert pretrain_draw([row], 1, 1, 0) == [ids("abcdefgh" * 1000)]


def test_a_run_reads_no_more_text_than_it_can_draw(tmp_path, monkeypatch):
    """PPO: 400 answers, twice, three rows each, and 64 held out; with nothing to draw, enough for 64 to be a tenth."""
    asked = []
    monkeypatch.setattr(ptx, "pretrain_rows", lambda *given: asked.append(given[-1]) or [[1], [2]])
    for settings in ({"ptx_gamma": 1.0, "episodes": 400}, {}):
        chosen = settings_for("ppo", "paper", {"rollout_batch": 8, "minibatch": 8, "inner_epochs": 2,
                                               "ptx_examples": 3, "episodes": 40, **settings})  # fmt: skip
        ptx.Pretraining.of(replace(RUN, settings=chosen, inputs={"pretrain": {"path": "x"}}), byte_tokenizer())
    assert asked == [400 * 2 * 3 + 64, 640]


def test_text_cannot_forge_an_end(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("a<|im_end|>b" * 3)
    assert rows(file, length=1).count([EOS]) == 1  # its own


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"abc", "The pretraining text is shorter than one row of 9 tokens."),
        ("a.txt", b"\xff\xfe", "The pretraining text a.txt is not UTF-8."),
        ("a.jsonl", b'{"text": "abc"}\n{"txt": 1}\n', NO_TEXT),
        ("a.jsonl", b"[1]\n", NO_TEXT),
        ("a.jsonl", b"{\n", NO_TEXT),
        ("a.jsonl", json.dumps({"text": 7}).encode(), NO_TEXT),
    ],
)  # fmt: skip
def test_text_that_cannot_be_used(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError) as refusal:
        rows(tmp_path, length=9)
    assert str(refusal.value) == sentence


def test_each_document_begins_with_the_first_token_of_a_tokenizer_that_has_one(tmp_path):
    (tmp_path / "text.jsonl").write_text('{"text": "ab"}\n{"text": "c"}\n', encoding="utf-8")
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    run = replace(RUN, inputs={"pretrain": {"name": "text", "path": str(tmp_path)}})
    [row] = pretrain_rows(run, tokenizer, 7)
    assert list(row) == [begin, *ids("ab"), EOS, begin, *ids("c"), EOS]


def test_no_text(tmp_path):
    with pytest.raises(RunError, match="needs pretraining text, but the run has none"):
        pretrain_rows(RUN, byte_tokenizer(), 4)
    with pytest.raises(RunError, match=r"has no \.txt or \.jsonl file"):
        rows(tmp_path)
    with pytest.raises(RunError, match=r"text\.txt cannot be read: No such file or directory"):
        rows(tmp_path / "text.txt")


def test_draws_go_through_all_rows_and_depend_on_seed_and_step_alone():
    some = [[n] for n in range(5)]
    drawn = [pretrain_draw(some, 2, 3, step) for step in range(5)]
    flat = [row[0] for step in drawn for row in step]
    assert sorted(flat[:5]) == sorted(flat[5:]) == list(range(5))
    assert flat[:5] != flat[5:]
    assert pretrain_draw(some, 2, 3, 4) == drawn[4]  # without the steps before it
    assert [pretrain_draw(some, 2, 4, step) for step in range(5)] != drawn
    twelve = [row[0] for row in pretrain_draw(some, 12, 3, 0)]
    assert twelve[:10] == flat
