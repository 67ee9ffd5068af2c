"""SFT through its run directory on the tiny model: what it writes, what it learns, what it refuses."""

import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GraniteConfig,
    GraniteForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from exchange import envelope
from exchange.records import Demonstration
from exchange.snapshot import read_snapshot
from tests.engine.conftest import WORDS, demonstration, ended, prepare, ranking, split_of
from tests.engine.two_processes import two_processes
from training.engine import sft
from training.engine.base import resolve_base
from training.engine.data import Dialogue
from training.engine.dialogues import dialogue_loss
from training.engine.models import encode_completion, encode_prompt, load_policy, set_dropout
from training.engine.runtime import execute

LEARN = {"epochs": 6, "batch_size": 3, "learning_rate": 0.02, "max_length": 200}
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_it_learns_and_its_checkpoint_is_plain_transformers(make_snapshot, run_script, dtype):
    snapshot = make_snapshot()
    ran = run_script("sft", snapshot, {**LEARN, "dtype": dtype})
    assert ran.code == 0
    assert ran.result["ok"] is True
    assert ran.summary["valid_loss_after"] < ran.summary["valid_loss_before"] - 1
    assert (ran.summary["train_demonstrations"], ran.summary["valid_demonstrations"]) == (9, 3)

    folder = ran.directory / ran.result["checkpoint"]
    assert {path.name for path in folder.iterdir()} == {
        "chat_template.jinja", "config.json", "generation_config.json", "manifest.json", "model.safetensors",
        "plumbline.json", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    manifest = envelope.verify(folder, format="plumbline.checkpoint", digest=ran.result["digest"])
    assert manifest["meta"]["kind"] == "sft"
    assert manifest["meta"]["snapshot"] == snapshot.name
    assert manifest["meta"]["parents"] == {"policy": None, "reward": None, "base_model": "tiny"}
    assert json.loads((folder / "plumbline.json").read_text())["settings"]["learning_rate"] == 0.02

    loss, tokens = plain_loss(folder, snapshot)
    assert ran.summary["valid_tokens"] == tokens
    assert ran.summary["valid_loss_after"] == pytest.approx(loss, abs=2e-5)


def plain_loss(folder: Path, snapshot: Path) -> tuple[float, int]:
    """Mean loss over the validation demonstrations' tokens, by plain transformers alone, and how many there are."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    total, count = 0.0, 0
    for record in read_snapshot(snapshot, Demonstration, split="valid"):
        prompt, completion = encode_prompt(tokenizer, record.messages), encode_completion(tokenizer, record.completion)
        labels = torch.tensor([[-100] * len(prompt) + completion])
        with torch.no_grad():
            total += model(input_ids=torch.tensor([prompt + completion]), labels=labels).loss.item() * len(completion)
        count += len(completion)
    return total / count, count


def test_metrics_lines(make_snapshot, run_script):
    ran = run_script("sft", make_snapshot(), LEARN)
    steps = ran.of("metrics")
    assert [line["step"] for line in steps] == list(range(1, 19))  # 9 demonstrations, 3 a step, 6 epochs
    assert steps[0]["values"]["lr"] == 0.02
    assert steps[-1]["values"]["lr"] == pytest.approx(0.002)
    assert steps[-1]["values"]["loss"] < steps[0]["values"]["loss"]
    assert [line["step"] for line in ran.of("eval")] == [0, 18]
    assert [(line["phase"], line["done"], line["total"]) for line in ran.of("progress")][-1] == ("save", 1, 1)
    assert {line["phase"] for line in ran.of("progress")} == {"load", "eval", "train", "save"}
    assert all(math.isfinite(value) for line in steps for value in line["values"].values())


def test_the_same_run_twice_is_the_same_checkpoint(make_snapshot, run_script):
    snapshot = make_snapshot()
    first, second = (run_script("sft", snapshot, LEARN) for _ in range(2))
    assert first.result["digest"] == second.result["digest"]


@pytest.mark.oracle(13)
def test_micro_batches_do_not_change_the_result(make_snapshot, run_script):
    snapshot = make_snapshot()
    whole = run_script("sft", snapshot, {**LEARN, "epochs": 1, "micro_tokens": 4000})
    cut = run_script("sft", snapshot, {**LEARN, "epochs": 1, "micro_tokens": 16})  # also recomputes activations
    for one, other in zip(whole.of("metrics"), cut.of("metrics"), strict=True):
        assert one["values"]["loss"] == pytest.approx(other["values"]["loss"], rel=1e-4)


def test_dropout_is_on_only_while_training(make_snapshot, run_script):
    ran = run_script("sft", make_snapshot(), {**LEARN, "dropout": 0.2})
    assert ran.summary["valid_loss_after"] < ran.summary["valid_loss_before"] - 1
    config = json.loads((ran.directory / "checkpoints/final/config.json").read_text())
    assert config["attention_dropout"] == 0.0


def test_dropout_changes_a_training_pass_and_0_does_not(models_dir):
    inputs = {"base_model": "tiny", "models_dir": str(models_dir)}
    model, _ = load_policy(inputs, None, dtype=torch.float32, device=torch.device("cpu"))
    dialogues = [Dialogue("a", [5, 6, 7, 8], [9, 10, 11, 2])]
    plain = dialogue_loss(model, dialogues).item()
    model.train()
    torch.manual_seed(1)
    set_dropout(model, 0.2)
    first, second = (dialogue_loss(model, dialogues).item() for _ in range(2))
    assert len({plain, first, second}) == 3
    set_dropout(model, 0.0)
    assert [dialogue_loss(model, dialogues).item() for _ in range(2)] == [plain, plain]


def test_the_budget_leaves_out_and_says_so(make_snapshot, run_script):
    long = demonstration("oak", "train", "x" * 400)
    rest = [demonstration(word, split_of(i)) for i, word in enumerate(WORDS) if i]
    ran = run_script("sft", make_snapshot([long, *rest]), {**LEARN, "epochs": 1, "max_train_tokens": 300})
    assert ran.summary["left_out_long"] == 1
    assert ran.summary["train_demonstrations"] + ran.summary["left_out_budget"] == 8
    assert 0 < ran.summary["left_out_budget"] < 8
    assert ran.summary["train_tokens"] <= 300
    assert f"1 over 200 tokens; {ran.summary['left_out_budget']} beyond the token budget" in ran.of("note")[0]["text"]


def test_without_validation_demonstrations_there_is_no_loss(make_snapshot, run_script):
    ran = run_script("sft", make_snapshot([demonstration("oak", "train")]), {**LEARN, "epochs": 1})
    assert ran.code == 0
    assert "valid_loss_after" not in ran.summary
    assert ran.summary["valid_tokens"] == 0


def test_no_demonstrations(make_snapshot, run_script):
    ran = run_script("sft", make_snapshot([], [ranking("oak", "train")]), LEARN)
    assert ran.code == 1
    assert ran.refusal == "The snapshot has no training demonstration of at most 200 tokens."
    assert not (ran.directory / "checkpoints").exists()


def test_logits_that_are_scaled_after_the_unembedding_are_refused(make_snapshot, run_script, tmp_path, models_dir):
    folder = tmp_path / "granite"
    shutil.copytree(resolve_base("tiny", models_dir), folder)
    GraniteForCausalLM(
        GraniteConfig(
            vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, logits_scaling=8.0, pad_token_id=0, eos_token_id=2, bos_token_id=None,
        )
    ).save_pretrained(folder)  # fmt: skip
    ran = run_script("sft", make_snapshot(), LEARN, base_model=str(folder))
    assert ran.refusal == "SFT cannot train this architecture: it changes its logits after the unembedding."


@pytest.mark.parametrize("kind", ["sft", "reward"])
def test_an_architecture_that_reads_rows_trains_and_says_so(make_snapshot, run_script, tmp_path, models_dir, kind):
    folder = tmp_path / "mistral"
    shutil.copytree(resolve_base("tiny", models_dir), folder)
    MistralForCausalLM(
        MistralConfig(
            vocab_size=259, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, sliding_window=8, pad_token_id=0, eos_token_id=2, bos_token_id=None,
        )
    ).save_pretrained(folder)  # fmt: skip
    ran = run_script(kind, make_snapshot(), {"epochs": 1, "max_length": 200}, base_model=str(folder))
    assert ran.code == 0, ran.result
    assert "rows are used instead" in ran.of("note")[0]["text"]


@pytest.mark.parametrize("kind", ["sft", "reward"])
def test_examples_longer_than_the_model_reads_are_refused_before_training(make_snapshot, run_script, kind):
    ran = run_script(kind, make_snapshot(), {"max_length": 4097})
    assert ran.refusal == "max_length is 4,097 tokens, but the model reads at most 4,096."
    assert run_script(kind, make_snapshot(), {"max_length": 4096, "epochs": 1}).code == 0


def test_a_changed_or_missing_snapshot(make_snapshot, run_script):
    snapshot = make_snapshot()
    with (snapshot / "demonstrations.jsonl").open("a") as stream:
        stream.write("\n")
    ran = run_script("sft", snapshot, LEARN)
    assert ran.refusal.startswith("The snapshot cannot be used. The file demonstrations.jsonl of")
    (snapshot / "demonstrations.jsonl").unlink()
    assert "lacks its file demonstrations.jsonl" in run_script("sft", snapshot, LEARN).refusal
    shutil.rmtree(snapshot)
    assert run_script("sft", snapshot, LEARN).refusal.startswith("The snapshot cannot be used.")


def test_no_room_for_the_checkpoint_is_told_before_training(make_snapshot, run_script, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    ran = run_script("sft", make_snapshot(), LEARN)
    assert ran.refusal.startswith("The checkpoint needs 0.03 GiB, but only 0.00 GiB are free in ")
    assert ran.of("metrics") == []


def test_a_disk_that_fills_up_leaves_no_half_checkpoint(make_snapshot, run_script, models_dir):
    resolve_base("tiny", models_dir)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # less than the weights' 110 kB
    try:
        ran = run_script("sft", make_snapshot(), {**LEARN, "epochs": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ran.refusal.startswith("The checkpoint could not be written: ")
    assert list((ran.directory / "checkpoints").iterdir()) == []


def test_configurations_that_cannot_run(make_snapshot, run_script, tmp_path, models_dir):
    snapshot = make_snapshot()
    missing = run_script("sft", snapshot, LEARN, base_model="/no/such/model")
    assert missing.refusal == "There is no base model in the folder /no/such/model."
    directory = prepare(tmp_path / "odd", "sft", snapshot, models_dir, {})
    config = json.loads((directory / "config.json").read_text())
    for change, sentence in (
        ({"kind": "ppo"}, "The run directory holds a run of kind 'ppo', not 'sft'."),
        ({"inputs": {**config["inputs"], "snapshot": None}}, "A run of kind sft needs a snapshot."),
        ({"settings": {"epochs": -1}}, "epochs must be between 1 and 1,000, not -1."),
    ):
        (directory / "config.json").write_text(json.dumps({**config, **change}))
        assert ended(directory, execute("sft", sft.main, directory)).refusal == sentence
    (directory / "config.json").write_text("{")
    assert "not valid JSON" in ended(directory, execute("sft", sft.main, directory)).refusal
    (directory / "config.json").unlink()
    assert "There is no config.json" in ended(directory, execute("sft", sft.main, directory)).refusal


def test_other_errors_are_for_the_engineer(make_snapshot, tmp_path, models_dir, capfd):
    directory = prepare(tmp_path / "odd", "sft", make_snapshot(), models_dir, {})

    def broken(run):
        raise ZeroDivisionError("deep inside")

    ran = ended(directory, execute("sft", broken, directory))
    assert ran.code == 1
    assert ran.result["error"]["audience"] == "engineer"
    assert "deep inside" not in ran.result["error"]["message"]
    assert "deep inside" in capfd.readouterr().err


def test_figures_that_are_not_finite_are_left_out_of_result_and_checkpoint(
    make_snapshot, tmp_path, models_dir, monkeypatch
):
    monkeypatch.setattr(sft, "evaluate", lambda run, model, dialogues, *, step: math.nan if step else 2.5)
    directory = prepare(tmp_path / "nan", "sft", make_snapshot(), models_dir, {**LEARN, "epochs": 1})
    ran = ended(directory, execute("sft", sft.main, directory))
    assert ran.code == 0, ran.result
    assert ran.summary["valid_loss_before"] == 2.5
    assert "valid_loss_after" not in ran.summary
    recorded = json.loads((directory / "checkpoints/final/plumbline.json").read_text())["summary"]
    assert "valid_loss_after" not in recorded
    assert ran.of("note")[-1]["text"] == "Figures that were not finite are left out: valid_loss_after."


def test_a_stopped_process_says_so(make_snapshot, tmp_path, models_dir):
    directory = prepare(tmp_path / "long", "sft", make_snapshot(), models_dir, {**LEARN, "epochs": 1000})
    process = subprocess.Popen(
        [sys.executable, "-m", "training.engine.sft", "--run-dir", str(directory)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        metrics = directory / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and '"metrics"' in metrics.read_text()):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    finally:
        process.kill()
    ran = ended(directory, code)
    assert ran.code == 1
    assert ran.refusal == "The run was stopped."
    assert not (directory / "checkpoints").exists()


@pytest.mark.oracle(13)
def test_two_processes_train_as_one(make_snapshot, tmp_path, models_dir, run_script):
    snapshot = make_snapshot()
    (tmp_path / "text.txt").write_text("In winter the ash is bare and the yew is green. " * 9)
    inputs = {"pretrain": {"name": "text", "path": str(tmp_path / "text.txt")}}
    settings = {
        **LEARN,
        "epochs": 2,
        "micro_tokens": 64,
        "loss_on": "all",
        "pretrain_share": 0.4,
        "pretrain_length": 24,
    }
    alone = run_script("sft", snapshot, settings, **inputs)
    both = two_processes("sft", prepare(tmp_path / "two", "sft", snapshot, models_dir, settings, **inputs))
    assert [line["step"] for line in both.of("metrics")] == [1, 2, 3, 4, 5, 6]  # written once, by rank 0
    for one, other in zip(alone.of("metrics"), both.of("metrics"), strict=True):
        assert one["values"]["loss"] == pytest.approx(other["values"]["loss"], rel=1e-3)
    assert both.summary["valid_loss_after"] == pytest.approx(alone.summary["valid_loss_after"], abs=2e-3)
