"""A model whose state the sampling loop cannot carry is refused before anything is trained or drawn."""

import math

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GraniteMoeHybridConfig,
    GraniteMoeHybridForCausalLM,
    MambaConfig,
    MambaForCausalLM,
)

from tests.engine.chain import Chain
from training.engine.base import byte_tokenizer, tiny_model
from training.engine.carrying import check_carrying
from training.engine.errors import RunError
from training.engine.kv_cache import ReservedLayer

SENTENCE = (
    "This architecture keeps a state that sampling cannot carry from token to token; choose a model whose layers are "
    "attention alone."
)
SHARED = {"vocab_size": 259, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 0, "eos_token_id": 2}
ATTENTION = {**SHARED, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}


def mamba():
    return MambaForCausalLM(MambaConfig(**SHARED, bos_token_id=2, state_size=8))


def hybrid():
    return GraniteMoeHybridForCausalLM(
        GraniteMoeHybridConfig(
            **ATTENTION, layer_types=["mamba", "attention"], mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8,
            num_local_experts=0, num_experts_per_tok=0, shared_intermediate_size=48,
        )
    )  # fmt: skip


def windows():
    return Gemma2ForCausalLM(Gemma2Config(**ATTENTION, head_dim=8, sliding_window=4))


def learned_positions():
    return GPT2LMHeadModel(GPT2Config(vocab_size=259, n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [tiny_model, windows, learned_positions])
def test_attention_is_carried(make, dtype):
    torch.manual_seed(1)
    check_carrying(make().to(dtype).eval())


@pytest.mark.parametrize("make", [mamba, hybrid])
def test_recurrent_layers_are_refused(make):
    torch.manual_seed(1)
    with pytest.raises(RunError) as refusal:
        check_carrying(make().eval())
    assert str(refusal.value) == SENTENCE


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_does_not_read_its_cache_is_refused(dtype, monkeypatch):
    """It keeps the columns and moves the rows, and yet each step sees its own token alone."""
    keep = ReservedLayer.update

    def forget(layer, keys, values, *args, **kwargs):
        everything = keep(layer, keys, values, *args, **kwargs)
        if keys.shape[-2] > 1:
            return everything
        return tuple(torch.cat([torch.zeros_like(one[:, :, :-1]), one[:, :, -1:]], 2) for one in everything)

    model = tiny_model().to(dtype).eval()
    with torch.no_grad():
        for layer in model.model.layers:  # a trained model's attention matters; a small random one's hardly does
            layer.self_attn.o_proj.weight *= 300
    check_carrying(model)
    monkeypatch.setattr(ReservedLayer, "update", forget)
    with pytest.raises(RunError, match="cannot carry"):
        check_carrying(model)


def test_numbers_that_are_not_finite_are_no_matter_of_the_cache():
    model = tiny_model().eval()
    model.model.norm.weight.data.fill_(math.nan)
    check_carrying(model)


@pytest.mark.parametrize(
    ("kind", "settings", "inputs"),
    [
        ("sample", {"max_prompts": 2, "response_length": 4}, {"policies": [{"name": "base", "path": None}]}),
        ("dpo", {"epochs": 1, "eval_prompts": 2, "response_length": 4}, {}),
        ("ppo", {"reward": "rule", "value": "trunk"}, {"policy": {"name": "base", "path": None}}),
    ],
)
def test_scripts_refuse_it_before_they_train(tmp_path, kind, settings, inputs):
    folder = tmp_path / "mamba"
    torch.manual_seed(1)
    mamba().save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    ran = Chain(tmp_path).run(kind, settings, base_model=str(folder), **inputs)
    assert ran.refusal == SENTENCE
    assert not ran.of("metrics")
