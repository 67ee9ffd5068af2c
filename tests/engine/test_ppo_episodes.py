"""What the four models say of an answer, against one plain forward pass for each, in float64."""

import math

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

from tests.engine.tiny_ppo import EOS, full_logprob, learner, plain_score, question
from training.engine import episodes, rollout, update
from training.engine.errors import RunError
from training.engine.models import unembeds_plainly
from training.engine.sampling import Sampled

PROMPTS = [[5, 6, 7, 8], [9], [10, 11], [12, 13, 14, 15, 16, 17]]


def sampled(prompt, tokens):
    return Sampled(tuple(prompt), tuple(tokens), (-1.0,) * len(tokens), "eos" if tokens[-1] == EOS else "length")


ANSWERS = [
    sampled(PROMPTS[0], (4, 5, EOS)),
    sampled(PROMPTS[1], (6, 7, 8, 9)),
    sampled(PROMPTS[2], (EOS,)),
    sampled(PROMPTS[3], (3, EOS)),
]


@pytest.fixture(scope="module")
def one():
    return learner(seed=1)


def close(left, right):
    torch.testing.assert_close(left, torch.as_tensor(right, dtype=torch.float64), atol=1e-10, rtol=0)


@pytest.mark.oracle(8)
@pytest.mark.parametrize("attention", ["packed", "rows"])
def test_logprobs_and_values_belong_to_the_state_before_each_token(one, attention, monkeypatch):
    if attention == "rows":
        for model in (one.models.policy, one.models.value):
            monkeypatch.setattr(model.config, "_attn_implementation", "sdpa")
    logprobs = episodes.read(one.models.policy, ANSWERS, temperature=1.0).logprobs
    values = episodes.answer_values(one.models.value, ANSWERS)
    assert logprobs.shape == values.shape == (4, 4)
    for row, answer in enumerate(ANSWERS):
        n = len(answer.tokens)
        close(logprobs[row, :n].detach(), full_logprob(one.models.policy, answer.prompt, answer.tokens))
        for step in range(n):
            state = torch.tensor([[*answer.prompt, *answer.tokens[:step]]])
            hidden = one.models.value.model(state).last_hidden_state[0, -1]
            close(values[row, step].detach(), float((hidden @ one.models.value.score.weight[0]).detach()))
        assert logprobs[row, n:].abs().sum() == 0
        assert values[row, n:].abs().sum() == 0


@pytest.mark.oracle(6)
@pytest.mark.oracle(8)
@pytest.mark.parametrize("attention", ["packed", "rows"])
def test_scores_are_read_at_the_end_token_as_plain_transformers_reads_them(one, attention, monkeypatch):
    """Plain transformers reads one unpadded text at a time; in rows the engine pads texts of 3 to 8 tokens."""
    if attention == "rows":
        monkeypatch.setattr(one.models.reward.config, "_attn_implementation", "sdpa")
        assert episodes.lay(one.models.reward, episodes.families_of(ANSWERS)).ids.shape == (4, 8)
    scores = episodes.answer_scores(one.models.reward, ANSWERS)
    monkeypatch.setattr(one.models.reward.config, "_attn_implementation", "sdpa")
    close(scores, [plain_score(one.models.reward, answer.prompt, answer.tokens) for answer in ANSWERS])


@pytest.mark.oracle(6)
@pytest.mark.parametrize("attention", ["packed", "rows"])
def test_an_end_token_that_is_also_the_padding_changes_nothing(one, attention, monkeypatch):
    """Nor do rows of unequal length, which are padded, say anything else than a packed row, which never is."""
    packed = episodes.judge(one.models, ANSWERS, [[0, 1], [2, 3]], temperature=1.0, recompute=True)
    models = (one.models.policy, one.models.reference, one.models.reward, one.models.value)
    if attention == "rows":
        for model in models:
            monkeypatch.setattr(model.config, "_attn_implementation", "sdpa")
    before = episodes.judge(one.models, ANSWERS, [[0, 1], [2, 3]], temperature=1.0, recompute=True)
    for model in models:
        monkeypatch.setattr(model.config, "pad_token_id", EOS)
    after = episodes.judge(one.models, ANSWERS, [[0, 1], [2, 3]], temperature=1.0, recompute=True)
    for name in ("logprobs", "reference", "values", "scores"):
        assert torch.equal(getattr(before, name), getattr(after, name))
        close(getattr(after, name), getattr(packed, name))


@pytest.mark.oracle(8)
def test_every_answer_is_read_in_its_own_row_whatever_the_passes(one):
    whole = episodes.judge(one.models, ANSWERS, [[0, 1, 2, 3]], temperature=0.7, recompute=True)
    parts = episodes.judge(one.models, ANSWERS, [[2], [3, 1], [0]], temperature=0.7, recompute=True)
    for name in ("logprobs", "reference", "values", "scores"):
        close(getattr(parts, name), getattr(whole, name))
    assert whole.ended.tolist() == [True, False, True, True]
    assert whole.mask.sum(1).tolist() == [3, 4, 1, 2]


def test_the_samplers_logprobs_are_kept_and_equal_those_of_training(one):
    _, answers = rollout.answer(one, [question(*prompt) for prompt in PROMPTS], "train", 0)
    judged = episodes.judge(one.models, answers, [[0, 1, 2, 3]], temperature=1.0, recompute=False)
    again = episodes.judge(one.models, answers, [[0, 1, 2, 3]], temperature=1.0, recompute=True)
    assert judged.sampler_gap == 0 < again.sampler_gap < 1e-12
    assert judged.logprobs[0, 0] == answers[0].logprobs[0]
    close(again.logprobs, judged.logprobs)


def test_the_first_advantage_is_the_score_less_the_kl_and_the_value_before_whitening():
    """λ = 1, γ = 1: return of the first token = score − penalty − β Σ k1, whatever the values."""
    one = learner(seed=2, gae_lambda=1.0, kl_beta=0.3, missing_eos_penalty=2.5)
    with torch.no_grad():
        one.models.policy.model.embed_tokens.weight += 0.05 * torch.randn(20, 32, dtype=torch.float64)
    judged = episodes.judge(one.models, ANSWERS, [[0, 1, 2, 3]], temperature=1.0, recompute=True)
    _, returns = update.advantages(one, judged)
    for row, answer in enumerate(ANSWERS):
        kl = full_logprob(one.models.policy, answer.prompt, answer.tokens) - full_logprob(
            one.models.reference, answer.prompt, answer.tokens
        )
        assert float(kl.abs().sum()) > 1e-3
        penalty = 2.5 if answer.finish == "length" else 0.0
        score = plain_score(one.models.reward, answer.prompt, answer.tokens) - penalty
        close(returns[row, 0], score - 0.3 * float(kl.sum()))
        # The last token's return holds the whole score: it sits on the end token, not on a slot behind it.
        last = len(answer.tokens) - 1
        close(returns[row, last], score - 0.3 * float(kl[-1]))


def test_logits_that_are_bent_after_the_unembedding_are_noticed(one):
    assert unembeds_plainly(one.models.policy)
    plain = one.models.policy.forward

    def bent(*args, **kwargs):
        out = plain(*args, **kwargs)
        out.logits = 3 * torch.tanh(out.logits)
        return out

    one.models.policy.forward = bent
    try:
        assert not unembeds_plainly(one.models.policy)
    finally:
        del one.models.policy.forward


def test_numbers_that_are_not_finite_are_not_blamed_on_the_architecture(one, monkeypatch):
    weight = one.models.policy.model.norm.weight
    monkeypatch.setattr(weight, "data", torch.full_like(weight, math.nan))
    with pytest.raises(RunError) as refusal:
        unembeds_plainly(one.models.policy)
    assert str(refusal.value) == "The model's numbers are not finite; choose another checkpoint."


def test_an_encoder_is_told_apart():
    small = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    with pytest.raises(
        RunError, match=r"^The model is an encoder, which reads texts and writes none; choose a causal"
    ):
        unembeds_plainly(BertLMHeadModel(BertConfig(**small, intermediate_size=8)))


def test_the_states_are_those_in_which_the_tokens_were_drawn(one):
    states, tokens = episodes.answer_states(one.models.policy, ANSWERS[2:])
    assert tokens.tolist() == [token for answer in ANSWERS[2:] for token in answer.tokens]
    everything = one.models.policy.get_output_embeddings()(states).log_softmax(-1)
    assert everything.shape == (3, 20)
    with torch.no_grad():
        first = one.models.policy(torch.tensor([PROMPTS[2]])).logits[0, -1].log_softmax(-1)
        last = one.models.policy(torch.tensor([[*PROMPTS[3], 3]])).logits[0, -1].log_softmax(-1)
    close(everything[0].detach(), first)
    close(everything[2].detach(), last)
