"""Exact resume: a run that was killed and one that was not end with the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from exchange.records import Prompt
from exchange.snapshot import write_snapshot
from tests.engine.chain import Chain
from tests.engine.conftest import demonstration, ended, prompt_of
from training.engine import state_files
from training.engine.state import Keeper

ROOT = Path(__file__).resolve().parents[2]
SFT = {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, "dropout": 0.3}  # 6 steps, across an epoch
REWARD = {"epochs": 2, "batch_prompts": 4, "learning_rate": 0.01}
DPO = {"epochs": 2, "batch_prompts": 4, "learning_rate": 0.01, "eval_prompts": 2, "response_length": 4}
PPO = {
    "episodes": 48, "rollout_batch": 8, "minibatch": 4, "response_length": 5, "max_prompt_length": 60,
    "learning_rate": 3e-3, "value_learning_rate": 3e-3, "eval_prompts": 3, "inner_epochs": 2,
}  # fmt: skip
TIMES = ("tokens_per_second", "episodes_per_second", "seconds_sample", "seconds_score", "seconds_update")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("resume"))
    chain.sft, chain.reward = chain.learned().values()
    return chain


def figures(ran):
    """What the run said at each step, without what a clock said."""
    return [
        (line["step"], {name: value for name, value in line["values"].items() if name not in TIMES})
        for line in ran.lines
        if line["type"] in ("metrics", "eval")
    ]


class Killed(Exception):
    """Stands for the end of the process."""


def killed_after(monkeypatch, step, *, saved):
    """Save the state after `saved` steps, and end the script in the midst of the one after `step`."""
    usual = Keeper.end_step

    def end_step(keeper, done, values):
        if done == saved:
            keeper.save(done, values)
        if done > step:
            raise Killed
        usual(keeper, done, values)

    monkeypatch.setattr(Keeper, "end_step", end_step)


@pytest.mark.oracle(16)
@pytest.mark.parametrize(
    ("kind", "settings", "inputs"),
    [
        ("sft", SFT, ()), ("sft", {**SFT, "lora_rank": 2, "select": "loss", "eval_steps": 1}, ()),
        ("reward", REWARD, ("sft",)),
        ("dpo", DPO, ("sft",)), ("dpo", {**DPO, "lora_rank": 2}, ("sft",)),
        ("ppo", PPO, ("sft", "reward")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(("saved", "last"), [(1, 3), (3, 3), (5, 5)])
def test_killed_and_gone_on_is_the_same_bitwise(chain, monkeypatch, kind, settings, inputs, dtype, saved, last):
    names = {"sft": "policy", "reward": "reward"}
    models = {names[name]: getattr(chain, name) for name in inputs}
    settings = {**settings, "dtype": dtype}
    whole = chain.run(kind, settings, **models)
    assert whole.code == 0, whole.result
    directory = chain.prepare(kind, settings, **models)
    with monkeypatch.context() as patched:
        killed_after(patched, last, saved=saved)
        assert chain.go_on(kind, directory).code == 1
    torch.manual_seed(99)  # what the process leaves behind must not matter
    again = chain.go_on(kind, directory)
    assert again.code == 0, again.result
    assert any(f"saved after step {saved}." in line["text"] for line in again.of("note"))
    assert again.result["digest"] == whole.result["digest"]  # weights, settings and summary
    assert figures(again) == figures(whole)
    assert not (directory / "state").exists()


@pytest.mark.oracle(16)
def test_a_run_is_killed_with_kill_9_and_goes_on(chain):
    """A real process, at whatever moment it is: the state that is there is whole."""
    settings = {**SFT, "epochs": 60, "save_minutes": 1e-6}
    whole = chain.run("sft", {**settings, "save_minutes": 0.0})
    directory = chain.prepare("sft", settings)
    command = [sys.executable, "-m", "training.engine.sft", "--run-dir", str(directory)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list((directory / "state").glob("step-*"))) < state_files.KEPT:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (directory / "result.json").exists()
    again = chain.go_on("sft", directory)
    assert again.code == 0, again.result
    assert figures(again) == figures(whole)
    weights = [(ran.directory / "checkpoints/final/model.safetensors").read_bytes() for ran in (whole, again)]
    assert weights[0] == weights[1]


def test_a_stopped_run_saves_where_it_is_and_goes_on(chain):
    directory = chain.prepare("sft", {**SFT, "epochs": 60, "save_minutes": 0.0})
    command = [sys.executable, "-m", "training.engine.sft", "--run-dir", str(directory)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while (
        '"metrics"' not in (directory / "metrics.jsonl").read_text()
        if (directory / "metrics.jsonl").exists()
        else True
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 1
    assert ended(directory, 1).refusal == "The run was stopped."
    steps = len(ended(directory, 1).of("metrics"))
    [state] = (directory / "state").glob("step-*")
    assert state.name == f"step-{steps:08d}"
    assert chain.go_on("sft", directory).code == 0


def stopped_in_the_middle(chain, monkeypatch, settings=SFT):
    directory = chain.prepare("sft", settings)
    with monkeypatch.context() as patched:
        killed_after(patched, 3, saved=2)
        chain.go_on("sft", directory)
    return directory


def another_snapshot(folder):
    """One demonstration that the chain's snapshot lacks."""
    return write_snapshot(
        folder, project="x", meta={}, prompts=[Prompt("p-oak", prompt_of("oak"), "train")],
        demonstrations=[demonstration("oak", "train", "zzz")], rankings=[],
    )[1]  # fmt: skip


@pytest.mark.oracle(16)
def test_another_snapshot_or_setting_is_refused(chain, monkeypatch, tmp_path):
    directory = stopped_in_the_middle(chain, monkeypatch)
    config = json.loads((directory / "config.json").read_text())
    config["settings"]["learning_rate"] = 0.02
    (directory / "config.json").write_text(json.dumps(config))
    assert chain.go_on("sft", directory).refusal == (
        "The run cannot go on from its saved state, which has another setting learning_rate; start a new run instead."
    )
    config["settings"]["learning_rate"] = 0.01
    config["settings"]["save_minutes"] = 3.0  # how often it is saved changes nothing
    other = another_snapshot(tmp_path)
    config["inputs"] |= {"snapshot": str(other), "snapshot_digest": other.name}
    (directory / "config.json").write_text(json.dumps(config))
    assert "has another snapshot; start" in chain.go_on("sft", directory).refusal
    config["inputs"] |= {"snapshot": str(chain.snapshot), "snapshot_digest": chain.snapshot.name}
    (directory / "config.json").write_text(json.dumps(config))
    assert chain.go_on("sft", directory).code == 0


def test_a_damaged_state_is_passed_over_for_the_one_before(chain, monkeypatch):
    directory = chain.prepare("sft", {**SFT, "save_minutes": 1e-6})
    with monkeypatch.context() as patched:
        killed_after(patched, 4, saved=4)
        chain.go_on("sft", directory)
    older, newer = sorted((directory / "state").glob("step-*"))
    file = newer / "tensors-000.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    again = chain.go_on("sft", directory)
    assert again.code == 0
    assert any(f"after step {int(older.name[5:])}." in line["text"] for line in again.of("note"))


def states(directory):
    return sorted(path.name for path in (directory / "state").glob("step-*"))


def test_what_is_not_whole_behind_the_state_found_makes_room(chain, monkeypatch):
    """A damaged state of a step that comes again is written anew, and one of a far step takes no place."""
    directory = chain.prepare("sft", {**SFT, "save_minutes": 1e-6})
    with monkeypatch.context() as patched:
        killed_after(patched, 4, saved=4)
        chain.go_on("sft", directory)
    newer = directory / "state" / states(directory)[-1]
    (newer / "tensors-000.safetensors").write_bytes(b"")
    (directory / "state/step-00000100").mkdir()
    with monkeypatch.context() as patched:
        killed_after(patched, int(newer.name[5:]), saved=0)
        chain.go_on("sft", directory)
    step = int(newer.name[5:])
    assert states(directory) == [f"step-{step - 1:08d}", newer.name]
    assert state_files.newest(directory / "state")[0].name == newer.name


@pytest.mark.oracle(16)
def test_inputs_of_a_run_by_hand_are_known_by_what_lies_there(chain, monkeypatch, tmp_path):
    """Without a digest in the configuration another snapshot, base model or text is still another."""
    text, base = tmp_path / "text.txt", tmp_path / "base"
    text.write_text("An oak is a tree. " * 40)
    shutil.copytree(chain.folder / "models" / "tiny-llama", base)
    inputs = {"pretrain": {"path": str(text)}, "base_model": str(base), "snapshot_digest": None}
    directory = chain.prepare("sft", {**SFT, "pretrain_share": 0.1, "pretrain_length": 16}, **inputs)
    with monkeypatch.context() as patched:
        killed_after(patched, 3, saved=2)
        chain.go_on("sft", directory)

    text.write_text("An elm is a tree. " * 40)
    assert "which has another pretraining text; start" in chain.go_on("sft", directory).refusal
    text.write_text("An oak is a tree. " * 40)

    config = base / "config.json"
    before = config.read_text()
    config.write_text(before.replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'))
    assert config.read_text() != before
    assert "which has another base model; start" in chain.go_on("sft", directory).refusal
    config.write_text(before)

    run = directory / "config.json"
    usual = run.read_text()
    run.write_text(usual.replace(str(chain.snapshot), str(another_snapshot(tmp_path))))
    assert "which has another snapshot; start" in chain.go_on("sft", directory).refusal
    run.write_text(usual)
    assert chain.go_on("sft", directory).code == 0


def test_a_full_disk_leaves_the_state_before_and_the_run_alone(chain, monkeypatch):
    directory = chain.prepare("sft", {**SFT, "save_minutes": 1e-6})
    usual, calls = state_files.save_file, []

    def full(tensors, path):
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        usual(tensors, path)

    monkeypatch.setattr(state_files, "save_file", full)
    ran = chain.go_on("sft", directory)
    assert ran.code == 0
    assert "The run's state could not be saved: No space left on device. The one before it stays." in [
        line["text"] for line in ran.of("note")
    ]


def test_a_full_disk_at_the_final_checkpoint_costs_no_more_than_since_the_last_state(chain, monkeypatch):
    settings = {**SFT, "save_minutes": 1e-6}
    whole = chain.run("sft", settings)
    directory = chain.prepare("sft", settings)

    def full(path, *args, **kwargs):
        (path / "model.safetensors").write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("transformers.PreTrainedModel.save_pretrained", lambda model, path, **_: full(path))
        ran = chain.go_on("sft", directory)
    assert ran.refusal == "The checkpoint could not be written: No space left on device."
    assert not list((directory / "checkpoints").iterdir())  # neither a half nor a whole one
    assert len(list((directory / "state").glob("step-*"))) == state_files.KEPT
    again = chain.go_on("sft", directory)
    assert again.result["digest"] == whole.result["digest"]


def test_a_full_disk_leaves_an_earlier_checkpoint_as_it_was(chain, monkeypatch):
    directory = chain.prepare("sft", SFT)
    first = chain.go_on("sft", directory)
    weights = (directory / "checkpoints/final/model.safetensors").read_bytes()
    little = shutil.disk_usage("/")._replace(free=10)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda path: little)
        ran = chain.go_on("sft", directory)
    assert ran.refusal.startswith("The checkpoint needs 0.03 GiB, but only 0.00 GiB are free in ")
    assert (directory / "checkpoints/final/model.safetensors").read_bytes() == weights
    assert chain.go_on("sft", directory).result["digest"] == first.result["digest"]


def test_when_no_state_is_whole_the_run_begins_anew_and_says_so(chain, monkeypatch):
    directory = stopped_in_the_middle(chain, monkeypatch)
    for path in (directory / "state").glob("*/tensors-000.safetensors"):
        path.write_bytes(b"")
    again, whole = chain.go_on("sft", directory), chain.run("sft", SFT)
    assert again.result["digest"] == whole.result["digest"]
    assert figures(again) == figures(whole)  # nothing is left of what the first part reported
    assert "No saved state is whole, so the run begins at its beginning." in [
        line["text"] for line in again.of("note")
    ]


def test_a_state_is_told_when_it_is_whole_and_a_resumed_run_where_it_goes_on(chain, monkeypatch):
    directory = stopped_in_the_middle(chain, monkeypatch)
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["type"] == "saved"] == [2]
    again = chain.go_on("sft", directory)
    kinds = [(line["type"], line["step"]) for line in again.lines if line["type"] in ("metrics", "resumed")]
    assert kinds == [("metrics", 1), ("metrics", 2), ("resumed", 2), *(("metrics", step) for step in (3, 4, 5, 6))]
