"""SFT's loss and gradient are those of TRL's SFTTrainer, with the last turn learned and with all of them.

Runs only where `python -m benchmarks.sft --rival` has installed TRL into var/bench/trl.
"""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from tests.engine.conftest import WORDS
from tests.engine.test_sft_choices import talk
from training.engine import data, sft
from training.engine.base import byte_tokenizer, tiny_model
from training.engine.config import settings_for
from training.engine.layout import share_prompts
from training.engine.reporter import Reporter
from training.engine.runtime import Run

ROOT = Path(__file__).resolve().parents[2]
TRL = ROOT / "var" / "bench" / "trl"


@pytest.mark.skipif(not (TRL / "installed").exists(), reason="TRL is not installed in var/bench/trl")
@pytest.mark.parametrize("loss_on", ["last", "all"])
def test_the_loss_and_its_gradient_are_trls(make_snapshot, tmp_path, loss_on):
    """To 1e-6, for both pass through transformers' norms in fp32."""
    tokenizer, model = byte_tokenizer(), tiny_model()
    snapshot = make_snapshot([talk(word, "train") for word in WORDS[:5]])
    found = data.demonstrations(snapshot, tokenizer, split="train", max_length=200, all_turns=loss_on == "all").items
    with (tmp_path / "rows.jsonl").open("w", encoding="utf-8") as stream:
        for item in found:
            learned = item.learned or [True] * len(item.completion)
            mask = [0] * len(item.prompt) + [int(wanted) for wanted in learned]
            stream.write(json.dumps({"input_ids": item.prompt + item.completion, "completion_mask": mask}) + "\n")
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    command = [TRL / "bin" / "python", ROOT / "benchmarks" / "trl_sft_loss.py", tmp_path / "model"]
    done = subprocess.run(
        [*map(str, command), str(tmp_path / "rows.jsonl")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])

    model.double().eval()
    assert share_prompts(model)
    settings = settings_for("sft", "cpu", {"loss_on": loss_on})
    run = Run("sft", tmp_path, {}, settings, Reporter(None), torch.device("cpu"), torch.float64)
    loss = sft.accumulate(run, model, found)
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()])
    assert theirs["rows"] == len(found) == 5
    assert loss == pytest.approx(theirs["loss"], rel=1e-6)
    assert norm.item() == pytest.approx(theirs["norm"], rel=1e-5)
