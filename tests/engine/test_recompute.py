"""Recomputed activations: another way to the same weights, bit for bit, with each layer's forward pass made twice."""

import pytest
from transformers.models.llama.modeling_llama import LlamaMLP

from tests.engine.chain import Chain
from training.engine.config import settings_for
from training.engine.settings.fields import kept_tokens

SETTINGS = {
    "sft": {"batch_size": 5, "dropout": 0.2},
    "reward": {"batch_prompts": 5},
    "dpo": {"batch_prompts": 5},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_weights_are_the_same_and_the_layers_are_forwarded_twice(tmp_path, monkeypatch, kind):
    chain, calls = Chain(tmp_path), []
    usual = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, x: calls.append(self.training) or usual(self, x))
    weights, forwards = [], []
    for recompute in ("auto", "always"):
        calls.clear()
        ran = chain.run(kind, {**SETTINGS[kind], "recompute": recompute})
        assert ran.code == 0, ran.result
        weights.append((ran.directory / "checkpoints/final/model.safetensors").read_bytes())
        forwards.append(sum(calls))
    assert weights[0] == weights[1]
    assert forwards[1] == 2 * forwards[0] > 0


def test_what_is_kept_follows_the_setting():
    assert kept_tokens(settings_for("sft", "cpu", {"micro_tokens": 512})) == 512
    assert kept_tokens(settings_for("sft", "cpu", {"micro_tokens": 512, "recompute": "always"})) == 0
