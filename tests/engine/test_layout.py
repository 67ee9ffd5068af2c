"""The shared prefix against separate rows: equal scores, equal gradients, nothing seen across branches."""

import pytest
import torch
from transformers import (
    GraniteMoeHybridConfig,
    GraniteMoeHybridForCausalLM,
    LlamaConfig,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForSequenceClassification,
)

from tests.engine.conftest import in_double
from training.engine import heads
from training.engine.attention import Tree, has_tree_attention, tree_attention, use_tree_attention
from training.engine.layout import lay, pack, rows, share_prompts
from training.engine.losses import kway_loss, pair_targets

FAMILIES = {
    "unequal lengths": [([5, 6, 7, 8], [[9, 2], [10, 11, 12, 2], [13, 2]])],
    "K = 1": [([5, 6, 7], [[9, 10, 2]])],
    "empty prompt": [([], [[9, 10, 2], [11, 2]])],
    "one-token answers": [([5], [[2], [2]])],
    "several prompts": [
        ([5, 6], [[9, 2], [10, 11, 2]]),
        ([7], [[12, 2]]),
        ([8, 9, 10, 11], [[13, 14, 2], [15, 2], [16, 2], [17, 18, 19, 2]]),
    ],
}


SMALL = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": None, "num_labels": 1,
}  # fmt: skip


def reward_model(seed: int = 3, dtype: torch.dtype = torch.float64) -> LlamaForSequenceClassification:
    torch.manual_seed(seed)
    model = LlamaForSequenceClassification(LlamaConfig(**SMALL))
    heads.init_head(model, seed)
    assert use_tree_attention(model)
    return in_double(model) if dtype == torch.float64 else model.to(dtype)


def scored(model, families, packed):
    layout = lay(model, families, packed=packed)
    return heads.score(model, layout.hidden(model)[layout.ends])


def gradients(model, families, packed) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    scores = scored(model, families, packed)
    parts = scores.split([len(completions) for _, completions in families])
    sum(kway_loss(part, pair_targets(range(len(part)))) + part.sum() for part in parts).backward()
    return scores.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.oracle(9)
@pytest.mark.parametrize("case", FAMILIES)
def test_shared_prefix_equals_separate_rows(case):
    model = reward_model()
    packed, packed_gradients = gradients(model, FAMILIES[case], packed=True)
    apart, apart_gradients = gradients(model, FAMILIES[case], packed=False)
    torch.testing.assert_close(packed, apart, rtol=0, atol=1e-9)
    for name, gradient in apart_gradients.items():
        torch.testing.assert_close(packed_gradients[name], gradient, rtol=0, atol=1e-9)


@pytest.mark.oracle(8)
@pytest.mark.oracle(9)
@pytest.mark.parametrize("case", FAMILIES)
def test_both_equal_plain_transformers_one_row_at_a_time(case):
    model = reward_model()
    model.set_attn_implementation("sdpa")
    expected = [
        float(model(input_ids=torch.tensor([prompt + completion])).logits[0, 0].detach())
        for prompt, completions in FAMILIES[case]
        for completion in completions
    ]
    use_tree_attention(model)
    for packed in (True, False):
        assert scored(model, FAMILIES[case], packed).tolist() == pytest.approx(expected, abs=1e-10)


@pytest.mark.oracle(7)
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("dtype", "off"), [(torch.float64, 1e-14), (torch.float32, 0.0), (torch.bfloat16, 0.0)])
def test_a_sibling_cannot_change_another(dtype, off, place):
    """Not with other tokens, nor with more or fewer of them, in any state of the row before it or behind it.

    In float64 the products of a row of another length are summed by another kernel, so the last bit may differ there.
    """
    model = reward_model(dtype=dtype)
    before = states_beside(model, [12, 13, 2], place)
    assert torch.equal(states_beside(model, [30, 31, 2], place), before)
    for length in (1, 2, 4, 7, 31, 200):
        after = states_beside(model, [30] * length, place)
        torch.testing.assert_close(after, before, rtol=0, atol=off)


@torch.no_grad()
def states_beside(model, sibling, place) -> torch.Tensor:
    """The hidden states of a packed row of two prompts without those of one completion of the first."""
    prompt, completions = [5, 6, 7], [[9, 10, 2], [11, 2]]
    completions.insert(place, sibling)
    start = len(prompt) + sum(map(len, completions[:place]))
    hidden = lay(model, [(prompt, completions), ([8], [[9, 2], [10, 2]])]).hidden(model)
    assert not torch.equal(hidden[start], hidden[start - 1])
    return torch.cat([hidden[:start], hidden[start + len(sibling) :]])


def test_indices_of_the_packed_row_by_hand():
    layout = pack([([5, 6], [[7, 2], [8, 9, 2]]), ([4], [[3, 2]])])
    assert layout.ids.tolist() == [[5, 6, 7, 2, 8, 9, 2, 4, 3, 2]]
    assert layout.positions.tolist() == [[0, 1, 2, 3, 2, 3, 4, 0, 1, 2]]
    assert layout.ends.tolist() == [3, 6, 9]
    assert layout.predictors.tolist() == [1, 2, 1, 4, 5, 7, 8]
    assert layout.targets.tolist() == [7, 2, 8, 9, 2, 3, 2]
    assert layout.lengths == [2, 3, 2]
    assert layout.tree.groups == [(2, [2, 3]), (3, [])]


def test_indices_of_rows_by_hand():
    layout = rows([([5, 6], [[7, 2], [8, 9, 2]])], pad=0)
    assert layout.ids.tolist() == [[5, 6, 7, 2, 0], [5, 6, 8, 9, 2]]
    assert layout.ends.tolist() == [3, 9]
    assert layout.predictors.tolist() == [1, 2, 6, 7, 8]
    assert layout.targets.tolist() == [7, 2, 8, 9, 2]


@pytest.mark.oracle(9)
def test_an_empty_prompt_predicts_no_first_token():
    layout = pack([([], [[7, 8, 2]])])
    assert layout.predictors.tolist() == [0, 1]
    assert layout.targets.tolist() == [8, 2]
    assert layout.lengths == [2]


def test_recomputing_a_large_pass_changes_nothing():
    model = reward_model().train()
    layout = pack(FAMILIES["several prompts"])
    results = []
    for most in (None, 4):
        model.zero_grad()
        heads.score(model, layout.hidden(model, most=most)[layout.ends]).sum().backward()
        results.append({name: p.grad.clone() for name, p in model.named_parameters()})
    assert not model.is_activation_checkpointing
    for name, gradient in results[0].items():
        torch.testing.assert_close(results[1][name], gradient, rtol=0, atol=1e-12)


def test_attention_by_hand_in_bf16_is_sdpas():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads_, 30, 16, dtype=torch.bfloat16) for heads_ in (6, 2, 2))
    tree = Tree([(10, [5, 8]), (7, [])])
    by_hand, _ = tree_attention(None, query, key, value, None, tree=tree)
    exact, _ = tree_attention(None, query.double(), key.double(), value.double(), None, tree=tree)
    torch.testing.assert_close(by_hand.double(), exact, rtol=0.03, atol=0.03)


def test_a_model_that_drops_the_tree_is_refused():
    model = reward_model()
    model.set_attn_implementation("sdpa")
    with pytest.raises(RuntimeError, match="does not pass the tree on"):
        pack([([5], [[2], [3, 2]])]).hidden(model)


def test_sliding_windows_fall_back_to_rows():
    model = MistralForSequenceClassification(
        MistralConfig(
            vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, pad_token_id=0, sliding_window=4, num_labels=1,
        )
    )  # fmt: skip
    assert not use_tree_attention(model)
    assert not has_tree_attention(model)
    assert lay(model, [([5], [[6, 2], [7, 2]])]).tree is None


def hybrid_model() -> GraniteMoeHybridForCausalLM:
    torch.manual_seed(0)
    return GraniteMoeHybridForCausalLM(
        GraniteMoeHybridConfig(
            vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, layer_types=["mamba", "attention"], mamba_n_heads=8, mamba_d_head=8,
            mamba_d_state=8, num_local_experts=0, num_experts_per_tok=0, shared_intermediate_size=48, pad_token_id=0,
        )
    ).eval()  # fmt: skip


def test_recurrent_layers_fall_back_to_rows():
    model = hybrid_model()
    assert not use_tree_attention(model)
    assert not share_prompts(model)
    assert lay(model, [([5], [[6, 2], [7, 2]])]).tree is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_leak_that_no_configuration_tells_is_found(dtype):
    """The same recurrent layer, but the configuration is silent; the tree attention itself is used all the same."""
    model = hybrid_model().to(dtype)
    before = model.config._attn_implementation
    model.config.layer_types = None
    assert use_tree_attention(model)
    model.set_attn_implementation(before)
    assert not share_prompts(model)
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_ordinary_model_shares_prompts(dtype):
    model = LlamaForSequenceClassification(reward_model().config).to(dtype).eval()
    assert share_prompts(model)
    assert has_tree_attention(model)


def test_chunked_attention_falls_back_to_rows():
    model = LlamaForSequenceClassification(LlamaConfig(**SMALL, attention_chunk_size=4))
    assert not use_tree_attention(model)


def test_a_completion_without_any_token_is_refused():
    with pytest.raises(ValueError, match="end token"):
        pack([([5], [[]])])
