"""A dry run: the real scripts' first steps, what they say of the whole, and nothing left behind."""

import shutil
import subprocess
import sys

import pytest
import torch

from tests.engine.chain import MAINS, Chain
from tests.engine.conftest import ended
from tests.engine.two_processes import ROOT
from training.engine import rehearsal
from training.engine.runtime import execute

PPO = {"episodes": 48, "rollout_batch": 8, "minibatch": 4, "response_length": 5, "max_prompt_length": 60,
       "eval_prompts": 3}  # fmt: skip
PARAMETERS = 26_880  # of the tiny model; its reward model has no unembedding of its own but a head of 32


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("dry"))
    chain.sft = chain.checkpoint(chain.run("sft"), "SFT")
    chain.reward = chain.checkpoint(chain.run("reward"), "RM")
    return chain


def rehearse(kind, directory):
    ran = ended(directory, execute(kind, MAINS[kind], directory, dry_run=True))
    assert sorted(path.name for path in directory.iterdir()) == ["config.json", "result.json"]
    return ran


@pytest.mark.parametrize(
    ("kind", "settings", "inputs", "steps", "state"),
    [
        # fp32 masters and Adam's two moments; a scalar step count for each of 21 tensors: 4 · (3 · 26,880 + 21) bytes.
        ("sft", {"epochs": 8, "batch_size": 4}, (), 24, 4 * (3 * PARAMETERS + 21)),
        ("reward", {"epochs": 8, "batch_prompts": 4}, (), 24, None),
        ("ppo", PPO, ("policy", "reward"), 6, None),
    ],
)
def test_the_first_steps_say_what_the_whole_costs(chain, capsys, kind, settings, inputs, steps, state):
    models = {name: {"policy": chain.sft, "reward": chain.reward}[name] for name in inputs}
    ran = rehearse(kind, chain.prepare(kind, settings, **models))
    assert ran.code == 0, ran.result
    found = ran.summary
    assert found["steps"] == steps
    assert 0 < found["seconds_a_step"] < found["seconds_before"] + 60
    whole = found["seconds_before"] + steps * found["seconds_a_step"]
    assert found["seconds_until_the_last"] == pytest.approx(whole, abs=1)
    assert found["memory_gib"] > 0
    assert found["memory_free_before_gib"] > 0
    assert found["disk_free_gib"] == pytest.approx(shutil.disk_usage(ran.directory).free / 2**30, abs=5)
    if state:
        assert found["saved_state_gib"] == round(state / 2**30, 4)
    assert "checkpoint" not in ran.result
    printed = capsys.readouterr().out
    assert f"steps {steps}" in printed
    assert "Left out: 0" in printed  # what is left out is said as a run would say it


def test_it_stops_after_three_short_steps_and_measures_without_the_first(chain, monkeypatch):
    taken = []
    usual = rehearsal.Rehearsal.step_done
    monkeypatch.setattr(rehearsal.Rehearsal, "step_done", lambda self, state: taken.append(1) or usual(self, state))
    rehearse("sft", chain.prepare("sft", {"epochs": 8, "batch_size": 4}))
    assert len(taken) == 3
    taken.clear()
    rehearse("sft", chain.prepare("sft", {"epochs": 1, "batch_size": 5}))
    assert len(taken) == 2  # the whole run has no more
    taken.clear()
    monkeypatch.setattr(rehearsal, "ENOUGH_SECONDS", 0.0)
    rehearse("sft", chain.prepare("sft", {"epochs": 8, "batch_size": 4}))
    assert len(taken) == 1


@pytest.mark.parametrize("enough", [0.0, 10.0])
def test_a_sample_run_is_measured_by_its_answers(chain, monkeypatch, enough):
    monkeypatch.setattr(rehearsal, "ENOUGH_SECONDS", enough)
    policies = [{"name": "base", "path": None, "digest": None}, chain.sft]
    ran = rehearse("sample", chain.prepare("sample", {"response_length": 6}, policies=policies))
    assert ran.code == 0, ran.result
    assert ran.summary["answers"] == 6  # three held-out prompts, two models
    assert 0 < ran.summary["seconds_an_answer"] < 10


def test_what_cannot_run_is_said_as_a_run_would_say_it(chain):
    ran = rehearse("sft", chain.prepare("sft", {"max_length": 16}))
    assert ran.refusal == "The snapshot has no training demonstration of at most 16 tokens."


def test_a_disk_without_room_for_the_states_is_said(chain, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=34_000_000)  # enough for the checkpoint, which asks for 32 MiB more
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(rehearsal, "_STATES", 1000)
    ran = rehearse("sft", chain.prepare("sft"))
    assert ran.refusal.startswith("The run's saved states need 0.3 GiB, but only 0.0 GiB are free in ")


def test_two_processes_end_it_together(chain):
    directory = chain.prepare("sft", {"epochs": 8, "batch_size": 4, "micro_tokens": 64})
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         "-m", "training.engine.sft", "--run-dir", str(directory), "--dry-run"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert ended(directory, 0).summary["steps"] == 24
    assert done.stdout.count("seconds_a_step") == 1
    assert not (directory / "dry-run").exists()
