"""DPO's loss and gradient are those of TRL's DPOTrainer, with two answers a prompt.

Runs only where `python -m benchmarks.sft --rival` has installed TRL into var/bench/trl.
"""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from tests.engine.conftest import WORDS, ranking, split_of
from training.engine import data, dpo
from training.engine.base import byte_tokenizer, tiny_model
from training.engine.config import settings_for
from training.engine.implicit_rewards import all_logprobs
from training.engine.layout import share_prompts
from training.engine.reporter import Reporter
from training.engine.runtime import Run

ROOT = Path(__file__).resolve().parents[2]
TRL = ROOT / "var" / "bench" / "trl"
BETA = 0.3


@pytest.mark.skipif(not (TRL / "installed").exists(), reason="TRL is not installed in var/bench/trl")
def test_the_loss_and_its_gradient_are_trls(make_snapshot, tmp_path):
    """To 1e-6, for both pass through transformers' norms in fp32."""
    texts = [["Good.", "It is bad"], ["No", "Yes, the tree is fine."]]
    rankings = [ranking(word, split_of(i), texts[i % 2], ranks=(i % 2, 1 - i % 2)) for i, word in enumerate(WORDS)]
    tokenizer = byte_tokenizer()
    groups = data.ranking_groups(make_snapshot(rankings=rankings), tokenizer, split="train", max_length=200).items
    with (tmp_path / "pairs.jsonl").open("w", encoding="utf-8") as stream:
        for group in groups:
            best, worst = (group.completions[group.ranks.index(rank)] for rank in (0, 1))
            told = {"prompt": group.prompt, "chosen": best, "rejected": worst}
            stream.write(json.dumps({name: tokenizer.decode(ids) for name, ids in told.items()}) + "\n")
    models = {name: tiny_model(seed) for name, seed in (("policy", 0), ("reference", 5))}
    for name, model in models.items():
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    arguments = [tmp_path / "policy", tmp_path / "reference", tmp_path / "pairs.jsonl", BETA]
    command = [TRL / "bin" / "python", ROOT / "benchmarks" / "trl_dpo_loss.py", *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])

    policy, reference = (model.double().eval() for model in models.values())
    assert share_prompts(policy)
    assert share_prompts(reference)
    settings = settings_for("dpo", "cpu", {"beta": BETA})
    run = Run("dpo", tmp_path, {}, settings, Reporter(None), torch.device("cpu"), torch.float64)
    figures, _ = dpo.accumulate(run, policy, groups, all_logprobs(run, reference, groups, "reference"))
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in policy.parameters()])
    assert theirs["pairs"] == len(groups) == 9
    assert figures[0] == pytest.approx(theirs["loss"], rel=1e-6)
    assert norm.item() == pytest.approx(theirs["norm"], rel=1e-5)
