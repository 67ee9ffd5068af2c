"""Sampling several models on the same held-out prompts, through the run directory."""

import math
import shutil

import pytest
from safetensors.torch import load_file, save_file

from exchange import completions, envelope
from exchange.records import Prompt
from exchange.snapshot import write_snapshot
from tests.engine.conftest import demonstration, ended, prepare, prompt_of
from tests.engine.two_processes import two_processes
from training.engine import data, sample, sft
from training.engine.runtime import execute

BASE = {"name": "base", "path": None, "digest": None}
SAMPLE = {"response_length": 5, "max_prompts": 0, "temperature": 1.0, "top_p": 1.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def snapshot(place):
    splits = ["train", "train", "valid", "valid", "test"]
    prompts = [Prompt(f"p{n}", prompt_of("x" * n), split) for n, split in enumerate(splits)]
    return write_snapshot(
        place / "snapshots", project="trees", prompts=prompts, rankings=[], meta={},
        demonstrations=[demonstration("elm", "train")],
    )[1]  # fmt: skip


@pytest.fixture(scope="module")
def run(place, snapshot):
    count = iter(range(1000))

    def run(settings=None, kind="sample", **inputs):
        directory = place / "runs" / str(next(count))
        chosen = {**(SAMPLE if kind == "sample" else {}), **(settings or {})}
        prepare(directory, kind, snapshot, place / "models", chosen, **inputs)
        return ended(directory, execute(kind, {"sample": sample.main, "sft": sft.main}[kind], directory))

    return run


@pytest.fixture(scope="module")
def tuned(run):
    ran = run({"epochs": 2, "learning_rate": 0.01}, kind="sft")
    return {"name": "SFT 1", "path": str(ran.directory / ran.result["checkpoint"]), "digest": ran.result["digest"]}


def batch_of(ran):
    assert ran.code == 0, ran.result
    return list(completions.read_batch(ran.directory / ran.result["completions"]))


def test_every_model_answers_the_same_held_out_prompts(run, snapshot, tuned):
    ran = run({"samples_per_prompt": 2}, policies=[BASE, tuned])
    batch = batch_of(ran)
    assert sorted((c.prompt_id, c.model) for c in batch) == sorted(
        (prompt, model) for prompt in ("p2", "p3", "p4") for model in ("base", "SFT 1") for _ in range(2)
    )
    assert len({c.id for c in batch}) == 12
    assert {c.model: c.checkpoint for c in batch} == {"base": "", "SFT 1": tuned["digest"]}
    assert all(1 <= c.tokens <= 5 and (c.finish == "eos" or c.tokens == 5) for c in batch)
    assert (ran.summary["prompts"], ran.summary["completions"]) == (3, 12)
    assert ran.summary["tokens"] == sum(c.tokens for c in batch)
    assert ran.summary["tokens_per_second"] > 0
    assert ran.result["completions"] == f"completions/{ran.result['digest']}"
    folder = ran.directory / ran.result["completions"]
    meta = envelope.verify(folder, format=completions.FORMAT, digest=ran.result["digest"])["meta"]
    assert meta == {
        "project": "trees", "snapshot": snapshot.name, "run": "7", "run_name": "Run 7", "purpose": "ranking",
        "models": {"base": None, "SFT 1": tuned["digest"]}, "count": 12,
    }  # fmt: skip
    assert {line["values"]["model"] for line in ran.of("sample")} == {"base", "SFT 1"}
    progress = [line for line in ran.of("progress") if line["phase"] == "sample"]
    assert (progress[0]["done"], progress[-1]["done"], progress[-1]["total"]) == (0, 12, 12)


def test_every_models_prompts_are_read_once(run, tuned, monkeypatch):
    plain, reads = data.questions, []
    monkeypatch.setattr(data, "questions", lambda *args, **more: reads.append(more) or plain(*args, **more))
    assert len(batch_of(run(policies=[BASE, tuned]))) == 6
    assert len(reads) == 2


def test_each_checkpoint_is_verified_once(run, tuned, monkeypatch):
    verified, real = [], envelope.verify

    def noted(directory, **given):
        verified.append(directory)
        return real(directory, **given)

    monkeypatch.setattr(envelope, "verify", noted)
    batch_of(run(policies=[BASE, tuned]))
    assert [str(directory) for directory in verified].count(tuned["path"]) == 1


def test_two_processes_sample_the_batch_of_one(run, place, snapshot, tuned):
    """3 prompts with 3 answers of each of 2 models: 9 rows a model, 5 for one process and 4 for the other."""
    settings = {**SAMPLE, "samples_per_prompt": 3}
    alone = run(settings, policies=[BASE, tuned])
    directory = prepare(place / "two", "sample", snapshot, place / "models", settings, policies=[BASE, tuned])
    both = two_processes("sample", directory)
    assert batch_of(both) == batch_of(alone)
    assert (both.summary["completions"], both.summary["tokens"]) == (18, alone.summary["tokens"])


def test_an_answer_depends_on_seed_and_prompt_not_on_the_batch(run, tuned):
    def texts(settings, policies):
        return {(c.prompt_id, c.model): c.text for c in batch_of(run(settings, policies=policies))}

    whole = texts({}, [BASE, tuned])
    assert texts({"batch_rows": 1}, [tuned, BASE]) == whole
    few = texts({"max_prompts": 2}, [BASE])
    assert len(few) == 2
    assert few.items() <= whole.items()
    assert texts({"seed": 2}, [BASE, tuned]) != whole


def test_the_split_and_the_limits_are_kept_and_what_they_leave_out_is_said(run):
    assert {c.prompt_id for c in batch_of(run({"prompts_split": "train"}, policies=[BASE]))} == {"p0", "p1"}
    assert {c.prompt_id for c in batch_of(run({"prompts_split": "test"}, policies=[BASE]))} == {"p4"}
    # A byte is a token: <start> user\n … <end> \n <start> assistant\n are 19, "Praise the xx." is 14, so p4 has 35.
    ran = run({"max_prompt_length": 34, "max_prompts": 1}, policies=[BASE])
    assert (ran.summary["left_out_long"], ran.summary["left_out_budget"], ran.summary["prompts"]) == (1, 1, 1)
    assert ran.of("note")[0]["text"].startswith("1 heldout prompts; left out: 1 over")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_model_whose_numbers_are_not_finite_is_named(run, place, tuned, temperature):
    folder = place / f"broken-{temperature}"
    shutil.copytree(tuned["path"], folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: weight * math.nan for name, weight in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    digest = envelope.seal(folder, format="plumbline.checkpoint", version=1, meta={})
    broken = {"name": "SFT 9", "path": str(folder), "digest": digest}
    assert run({"temperature": temperature}, policies=[broken]).refusal == "The numbers of SFT 9 are not finite."


def test_refusals(run, tuned):
    assert run(policies=[BASE, BASE]).refusal == "Two of the models to sample from have the same name."
    ran = run({"max_prompt_length": 3}, policies=[BASE])
    assert ran.refusal == "The snapshot has no heldout prompts of at most 3 tokens."
    ran = run({"max_prompt_length": 4000, "response_length": 97}, policies=[BASE])
    assert ran.refusal == (
        "max_prompt_length and response_length are 4,097 tokens together, but the model reads at most 4,096."
    )
    missing = {**tuned, "path": tuned["path"] + "-gone"}
    assert run(policies=[missing]).refusal.startswith("The checkpoint of SFT 1 is missing")
    assert not (ran.directory / "completions").exists()
