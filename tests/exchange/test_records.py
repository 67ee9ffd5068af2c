"""Records: what is written is what is read, and a wrong one says what is wrong."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.completions import read_batch, write_batch
from exchange.envelope import EnvelopeError
from exchange.records import (
    Completion,
    Demonstration,
    Message,
    Prompt,
    RankedCompletion,
    RankingGroup,
    RecordError,
    from_dict,
    read_records,
    to_line,
    write_records,
)
from exchange.snapshot import read_snapshot, write_snapshot

text = st.text(st.characters(codec="utf-8"), max_size=40)
filled = text.filter(lambda value: value.strip())
splits = st.sampled_from(["train", "valid", "test"])
before = st.lists(st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=text), max_size=3)
dialogues = st.tuples(before, text).map(lambda t: (*t[0], Message("user", t[1])))
prompts = st.builds(Prompt, id=text, messages=dialogues, split=splits, category=text, source=text)
labels = {
    "id": text,
    "prompt_id": text,
    "messages": dialogues,
    "split": splits,
    "labeler": text,
    "provenance": st.sampled_from(["human", "imported", "simulated"]),
    "instructions_version": st.integers(0, 99),
    "weight": st.floats(0.01, 10, allow_nan=False),
    "category": text,
}
demonstrations = st.builds(Demonstration, completion=filled, **labels)


@st.composite
def rankings(draw: st.DrawFn) -> RankingGroup:
    k = draw(st.integers(2, 6))
    order = draw(st.lists(st.integers(0, k - 1), min_size=k, max_size=k))
    dense = {rank: place for place, rank in enumerate(sorted(set(order)))}
    return RankingGroup(
        completions=tuple(RankedCompletion(f"c{i}", draw(text), draw(text)) for i in range(k)),
        ranks=tuple(dense[rank] for rank in order),
        strengths=draw(st.sampled_from([(), tuple(draw(st.integers(1, 4)) for _ in range(len(dense) - 1))])),
        cohort=draw(st.sampled_from(["", "training", "held_out"])),
        all_bad=draw(st.booleans()),
        **{name: draw(strategy) for name, strategy in labels.items()},
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(prompts, max_size=4), st.lists(demonstrations, max_size=4), st.lists(rankings(), max_size=4))
def test_a_snapshot_gives_back_what_went_in(some_prompts, some_demonstrations, some_rankings):
    with tempfile.TemporaryDirectory() as folder:
        records = {"prompts": some_prompts, "demonstrations": some_demonstrations, "rankings": some_rankings}
        digest, directory = write_snapshot(Path(folder), project="p", meta={}, **records)
        assert list(read_snapshot(directory, Prompt)) == some_prompts
        assert list(read_snapshot(directory, Demonstration)) == some_demonstrations
        assert list(read_snapshot(directory, RankingGroup)) == some_rankings
        valid = [prompt for prompt in some_prompts if prompt.split == "valid"]
        assert list(read_snapshot(directory, Prompt, split="valid")) == valid
        assert write_snapshot(Path(folder), project="p", meta={}, **records) == (digest, directory)


def test_a_batch_gives_back_what_went_in(tmp_path):
    answers = [
        Completion(
            id="1", prompt_id="p", text="line\u2028break \U0001f600", model="SFT 3", checkpoint="c" * 64, tokens=4
        ),
        Completion(id="2", prompt_id="p", text="", model="base", finish="length", sampling={"top_p": 0.9}),
    ]
    digest, directory = write_batch(tmp_path, answers, meta={"project": "demo"})
    assert list(read_batch(directory)) == answers
    assert write_batch(tmp_path, answers, meta={"project": "other"})[0] != digest


def test_a_line_is_canonical_json():
    prompt = Prompt(id="1", messages=(Message("user", "é"),), split="train")
    assert to_line(prompt) == (
        '{"answer":"","category":"","id":"1","messages":[{"content":"é","role":"user"}],"source":"","split":"train"}\n'
    )


def test_absent_fields_take_the_default():
    record = from_dict(Prompt, {"id": "1", "messages": [{"role": "user", "content": "x"}], "split": "test"})
    assert record == Prompt(id="1", messages=(Message("user", "x"),), split="test", category="", source="")


USER = [{"role": "user", "content": "x"}]
LABEL = {"id": "1", "prompt_id": "2", "messages": USER, "split": "train", "labeler": "l"}
TWO = [{"id": "a", "text": ""}, {"id": "b", "text": ""}]


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        (Prompt, {"id": "1", "messages": [], "split": "train"}, "a prompt needs at least one message"),
        (
            Prompt,
            {"id": "1", "messages": [*USER, {"role": "assistant", "content": "y"}], "split": "train"},
            "a prompt's last message must be the user's",
        ),
        (
            Prompt,
            {"id": "1", "messages": [{"role": "robot", "content": "x"}], "split": "train"},
            "a message's role must be one of system, user, assistant, not 'robot'",
        ),
        (
            Prompt,
            {"id": "1", "messages": USER, "split": "dev"},
            "a split must be one of train, valid, test, not 'dev'",
        ),
        (Prompt, {"id": "1", "messages": USER, "split": "train", "x": 1}, "a Prompt has no field 'x'"),
        (Prompt, {"id": "1", "split": "train"}, "a Prompt is incomplete: "),
        (Prompt, [], "a Prompt must be a JSON object"),
        (Demonstration, {**LABEL, "completion": " "}, "a demonstration must not be empty"),
        (Demonstration, {**LABEL, "completion": "x", "weight": 0}, "a weight must be positive and finite, not 0"),
        (
            Demonstration,
            {**LABEL, "completion": "x", "provenance": "model"},
            "a provenance must be one of human, imported, simulated, not 'model'",
        ),
        (
            RankingGroup,
            {**LABEL, "completions": TWO[:1], "ranks": [0]},
            "a ranking needs at least 2 completions, not 1",
        ),
        (
            RankingGroup,
            {**LABEL, "completions": TWO, "ranks": [0]},
            "a ranking must rank each of its completions once",
        ),
        (RankingGroup, {**LABEL, "completions": TWO, "ranks": [0, 2]}, "ranks must be 0, 1, … without gaps"),
        (RankingGroup, {**LABEL, "completions": TWO, "ranks": [1, 1]}, "ranks must be 0, 1, … without gaps"),
        (
            RankingGroup,
            {**LABEL, "completions": [TWO[0], TWO[0]], "ranks": [0, 1]},
            "a ranking names a completion twice",
        ),
        (
            Completion,
            {"id": "1", "prompt_id": "2", "text": "", "model": "m", "finish": "stop"},
            "finish must be 'eos' or 'length', not 'stop'",
        ),
    ],
)
def test_a_record_that_breaks_a_rule_names_it(kind, values, reason):
    with pytest.raises(RecordError) as error:
        from_dict(kind, values)
    assert str(error.value).startswith(reason)


def test_a_broken_line_is_named_with_its_number(tmp_path):
    path = tmp_path / "prompts.jsonl"
    write_records(path, [Prompt(id="1", messages=(Message("user", "x"),), split="train")])
    with path.open("a") as stream:
        stream.write('{"id": "2"}\n')
    records = read_records(path, Prompt)
    assert next(records).id == "1"
    with pytest.raises(EnvelopeError, match=r"^prompts\.jsonl line 2: a Prompt is incomplete"):
        next(records)


def test_a_snapshot_without_one_of_its_files_says_which(tmp_path):
    _, directory = write_snapshot(tmp_path, project="p", prompts=[], demonstrations=[], rankings=[], meta={})
    (directory / "rankings.jsonl").unlink()
    with pytest.raises(EnvelopeError, match=r"lacks its file rankings\.jsonl\.$"):
        read_snapshot(directory, RankingGroup)


OLD = {
    "id": "r", "prompt_id": "p", "messages": [{"role": "user", "content": "?"}], "split": "train", "labeler": "ann",
    "completions": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}, {"id": "c", "text": "C"}], "ranks": [0, 2, 1],
}  # fmt: skip


def test_a_ranking_of_an_older_snapshot_has_no_strengths_and_no_cohort():
    read = from_dict(RankingGroup, OLD)
    assert (read.strengths, read.cohort, read.all_bad) == ((), "", False)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"strengths": [1]}, "3 ranks have 2 strengths between them or none"),
        ({"strengths": [1, 0]}, "a strength must be 1 or more"),
        ({"strengths": [1, True]}, "a strength must be 1 or more"),
        ({"cohort": "other"}, "a cohort must be training, held_out or empty, not 'other'"),
        ({"all_bad": "no"}, "all_bad must be true or false, not 'no'"),
    ],
)
def test_wrong_strengths_and_cohorts_are_refused(values, said):
    with pytest.raises(RecordError, match=said):
        from_dict(RankingGroup, {**OLD, **values})
