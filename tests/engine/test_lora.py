"""Adapters: they begin at the base, only they learn, switched off they are the base bitwise, merged they are plain."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from tests.engine.conftest import in_double
from tests.engine.test_sft_run import LEARN, plain_loss
from training.engine import heads
from training.engine.base import tiny_model
from training.engine.layout import pack, share_prompts
from training.engine.lora import add_lora, merge, without_adapters
from training.engine.models import new_reward
from training.engine.optimizer import MasterAdamW

IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])
ADAPTERS = 2 * 7 * 2  # two layers of seven linear maps, each with A and B


def adapted(rank=3, alpha=6.0, seed=1):
    model = tiny_model()
    add_lora(model, rank, alpha, seed)
    return model


def fill(model, seed=2):
    """Let the adapters say something: B begins at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.1)
    return model


def test_training_begins_at_the_base():
    assert torch.equal(adapted()(IDS).logits, tiny_model()(IDS).logits)


def test_every_linear_layer_of_the_body_has_an_adapter_and_nothing_else_learns():
    learning = [name for name, parameter in adapted().named_parameters() if parameter.requires_grad]
    assert len(learning) == ADAPTERS
    assert all("lora_" in name and name.startswith("model.layers.") for name in learning)


def test_an_adapted_layer_by_hand():
    model = fill(in_double(adapted(rank=3, alpha=6.0)))
    layer = model.model.layers[0].mlp.up_proj
    x = torch.randn(2, 32, dtype=torch.float64)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = x @ (layer.get_base_layer().weight + 6.0 / 3 * b @ a).T
    assert (layer(x) - expected).abs().max() < 1e-12


@pytest.mark.oracle(18)
def test_switched_off_it_is_the_base_bitwise_and_then_learns_on():
    model = fill(adapted())
    base = tiny_model()(IDS).logits
    assert not torch.equal(model(IDS).logits, base)
    with without_adapters(model):
        assert torch.equal(model(IDS).logits, base)
    assert not torch.equal(model(IDS).logits, base)
    assert sum(parameter.requires_grad for parameter in model.parameters()) == ADAPTERS


def test_merged_it_is_a_plain_model_with_the_adapted_logits():
    model = fill(in_double(adapted()))
    expected = model(IDS).logits
    merge(model)
    assert model.state_dict().keys() == tiny_model().state_dict().keys()
    assert not hasattr(model.model, "peft_config")
    assert (model(IDS).logits - expected).abs().max() < 1e-9


def test_layers_that_keep_their_weights_transposed():
    config = GPT2Config(vocab_size=259, n_embd=32, n_layer=1, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)
    model = GPT2LMHeadModel(config).double().eval()
    names = set(model.state_dict())
    add_lora(model, 2, 4.0, seed=1)
    expected = fill(model)(IDS).logits
    merge(model)
    assert set(model.state_dict()) == names
    assert (model(IDS).logits - expected).abs().max() < 1e-9


def test_the_random_matrices_are_the_seeds_alone():
    def drawn(seed):
        return adapted(seed=seed).model.layers[1].self_attn.q_proj.lora_A["default"].weight

    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = drawn(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert torch.equal(drawn(1), first)
    assert not torch.equal(drawn(2), first)


def test_a_packed_row_of_an_adapted_model_is_its_rows():
    model = tiny_model().eval()
    assert share_prompts(model)
    add_lora(model, 3, 6.0, seed=1)
    fill(in_double(model))
    prompt, answers = [5, 6, 7], [[8, 9, 2], [10, 2]]
    layout = pack([(prompt, answers)])
    packed = layout.hidden(model)[layout.ends]
    for number, answer in enumerate(answers):
        alone = heads.body(model)(input_ids=torch.tensor([prompt + answer])).last_hidden_state[0, -1]
        assert (packed[number] - alone).abs().max() < 1e-9


def test_a_new_reward_head_learns_beside_the_adapters(models_dir):
    inputs = {"base_model": "tiny", "models_dir": str(models_dir)}
    model, _ = new_reward(inputs, None, seed=1, dtype=torch.float32, device=torch.device("cpu"))
    add_lora(model, 2, 4.0, seed=1)
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(learning) == ADAPTERS + 1
    assert "score.weight" in learning


def test_the_base_is_frozen_in_bf16_and_only_adapters_have_masters_gradients_and_moments():
    model = adapted()
    optimizer = MasterAdamW(model, lower=model, dtype=torch.bfloat16)
    rounded = {name: p.detach().clone() for name, p in model.named_parameters() if "lora_" not in name}
    assert {tensor.dtype for tensor in rounded.values()} == {torch.bfloat16}
    assert len(optimizer.masters) == ADAPTERS
    assert {master.dtype for master in optimizer.masters} == {torch.float32}
    with without_adapters(model):
        assert torch.equal(model(IDS).logits, tiny_model().to(torch.bfloat16)(IDS).logits)
    model(IDS, labels=IDS).loss.backward()
    assert all(p.grad is None for name, p in model.named_parameters() if "lora_" not in name)
    optimizer.step(lr=0.1)
    assert len(optimizer.tensors()) == 4 * ADAPTERS  # master, step and two moments each
    assert all(torch.equal(p, rounded[name]) for name, p in model.named_parameters() if "lora_" not in name)
    optimizer.restore()
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(torch.equal(p, rounded[n].float()) for n, p in model.named_parameters() if "lora_" not in n)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_sft_with_adapters_learns_and_leaves_a_plain_checkpoint(make_snapshot, run_script, dtype):
    snapshot = make_snapshot()
    ran = run_script("sft", snapshot, {**LEARN, "dtype": dtype, "lora_rank": 4, "learning_rate": 0.05})
    assert ran.code == 0, ran.result
    assert ran.summary["valid_loss_after"] < ran.summary["valid_loss_before"] - 0.1  # embeddings stay random
    folder = ran.directory / ran.result["checkpoint"]
    assert ran.summary["valid_loss_after"] == pytest.approx(plain_loss(folder, snapshot)[0], abs=2e-5)
    assert AutoModelForCausalLM.from_pretrained(folder).state_dict().keys() == tiny_model().state_dict().keys()
    assert json.loads((folder / "plumbline.json").read_text())["settings"]["lora_rank"] == 4
