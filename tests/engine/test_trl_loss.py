"""An exported preference file gives the same loss and gradient in TRL's RewardTrainer, with two answers a prompt.

Runs only where `python -m benchmarks.reward --rival` has installed TRL into var/bench/trl.
"""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from tests.engine.conftest import WORDS, ranking, split_of
from training.engine import data, preferences
from training.engine.config import settings_for
from training.engine.models import new_reward
from training.engine.reward import accumulate

ROOT = Path(__file__).resolve().parents[2]
TRL = ROOT / "var" / "bench" / "trl"


@pytest.fixture
def start(make_snapshot, models_dir, tmp_path):
    """A new reward model in a folder, and a snapshot whose rankings have two answers."""
    texts = [["Good.", "It is bad"], ["No", "Yes, the tree is fine."]]
    groups = [ranking(word, split_of(i), texts[i % 2], ranks=(i % 2, 1 - i % 2)) for i, word in enumerate(WORDS)]
    snapshot = make_snapshot(rankings=groups)
    inputs = {"base_model": "tiny", "models_dir": str(models_dir)}
    model, tokenizer = new_reward(inputs, None, seed=1, dtype=torch.float32, device=torch.device("cpu"))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return snapshot, model, tokenizer, tmp_path / "model"


def test_the_file_has_each_ordered_pair_with_its_end(start, tmp_path):
    snapshot, _, tokenizer, folder = start
    file = tmp_path / "pairs.jsonl"
    preferences.main(str(snapshot), str(folder), "train", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 9
    assert lines[0]["chosen"].endswith("assistant\nGood.<|im_end|>")
    assert lines[1]["chosen"].endswith("assistant\nYes, the tree is fine.<|im_end|>")
    three = ranking("oak", "train", ranks=(1, 0, 1))
    found = list(preferences.preference_lines([three], tokenizer))
    assert [line["rejected"].rsplit("\n", 1)[1] for line in found] == [
        "The oak is good.<|im_end|>",
        "NO!! oak!!<|im_end|>",
    ]


@pytest.mark.skipif(not (TRL / "installed").exists(), reason="TRL is not installed in var/bench/trl")
def test_the_loss_and_its_gradient_are_trls(start, tmp_path):
    """With and without centring; to 1e-6, for both pass through transformers' norms in fp32."""
    snapshot, model, tokenizer, folder = start
    file = tmp_path / "pairs.jsonl"
    preferences.main(str(snapshot), str(folder), "train", str(file))
    command = [TRL / "bin" / "python", ROOT / "benchmarks" / "trl_loss.py", folder, file, "0", "0.01"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    groups = data.ranking_groups(snapshot, tokenizer, split="train", max_length=200).items
    model.double().train()
    for theirs, centring in zip(json.loads(done.stdout.splitlines()[-1]), (0.0, 0.01), strict=True):
        assert theirs["pairs"] == len(groups) == 9
        model.zero_grad()
        ours = accumulate(model, groups, settings_for("reward", "cpu", {"centring": centring}))
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
        assert ours.loss == pytest.approx(theirs["loss"], rel=1e-6)
        assert norm.item() == pytest.approx(theirs["norm"], rel=1e-5)
