"""What an iteration does with its temperature, learning rates and moving average, and an evaluation with its seeds."""

from itertools import pairwise

import pytest
import torch

from tests.engine.tiny_ppo import learner, question
from training.engine import ppo, rollout
from training.engine.ema import Average

QUESTIONS = [question(5, 6, 7), question(9), question(3, 4), question(8, 8, 8, 8)] * 2
SMALL = {"rollout_batch": 8, "minibatch": 4, "response_length": 6}
SHORT = {"micro_tokens": 16}  # no graph of the judged pass is kept, so training makes every pass itself


@pytest.mark.parametrize("value", ["own", "trunk"])
@pytest.mark.parametrize("kept", [{}, SHORT], ids=["going on from the judged pass", "anew"])
def test_at_another_temperature_a_policy_that_stands_still_has_ratio_1_in_every_minibatch(value, kept):
    one = learner(**SMALL, **kept, temperature=0.7, value=value, learning_rate=0.0, inner_epochs=2)
    figures = ppo.iterate(one, 0, 1, QUESTIONS)
    assert figures["steps"] == 4
    assert figures["ratio_off"] < 1e-12
    assert (figures["clip_fraction"], figures["update_kl"]) == (0.0, pytest.approx(0.0, abs=1e-12))
    assert figures["sampler_gap"] < 1e-12
    assert abs(figures["kl"]) < 1e-10, "the reference is read at the policy's temperature"


def test_logprobs_and_entropy_are_those_of_the_temperature():
    """log π_T = log softmax(logits / T) of one plain forward pass, and the entropy of just that distribution."""
    one = learner(**SMALL, **SHORT, temperature=0.7, learning_rate=0.0)
    asked, answers = rollout.answer(one, QUESTIONS, "train", 0)
    judged = rollout.judge(one, asked, answers, rollout.order(one, answers, 0, epoch=0))
    entropies = []
    for row, answer in enumerate(answers):
        n, text = len(answer.tokens), torch.tensor([[*answer.prompt, *answer.tokens]])
        with torch.no_grad():
            logits = one.models.policy(text, use_cache=False).logits[0, len(answer.prompt) - 1 : -1]
        everything = (logits / 0.7).log_softmax(-1)
        entropies.append(-(everything.exp() * everything).sum(-1))
        expected = everything[range(n), list(answer.tokens)]
        for found in (torch.tensor(answer.logprobs), judged.logprobs[row, :n], judged.reference[row, :n]):
            torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=0)
    assert ppo.iterate(one, 0, 1, QUESTIONS)["entropy"] == pytest.approx(float(torch.cat(entropies).mean()), abs=1e-10)


@pytest.mark.oracle(18)
def test_policy_and_value_learn_at_their_own_rates():
    """Adam's first step moves a weight by the learning rate, where its gradient is far above eps. Iteration 1 of a
    warm-up over 2 has a tenth of the peaks .002 and .006.
    """
    one = learner(**{**SMALL, "minibatch": 8}, learning_rate=2e-3, value_learning_rate=6e-3, warmup_iterations=2)
    optimizers = (one.policy_optimizer, one.value_optimizer)
    before = [[master.clone() for master in optimizer.masters] for optimizer in optimizers]
    figures = ppo.iterate(one, 0, 1, QUESTIONS)
    assert figures["steps"] == 1
    moved = [
        max(float((now - then).detach().abs().max()) for now, then in zip(optimizer.masters, old, strict=True))
        for optimizer, old in zip(optimizers, before, strict=True)
    ]
    assert moved == [pytest.approx(2e-4, rel=1e-4), pytest.approx(6e-4, rel=1e-4)]
    assert figures["learning_rate"] == pytest.approx(2e-4)


@pytest.mark.oracle(18)
def test_the_moving_average_takes_in_the_weights_of_every_optimizer_step(monkeypatch):
    """Two minibatches, two epochs: a₄ = d⁴ w₀ + (1 − d) Σ_k d⁴⁻ᵏ w_k over the weights behind each of four steps."""
    one = learner(**SMALL, inner_epochs=2, learning_rate=1e-2)
    one.average = Average(one.policy_optimizer, 0.9)
    usual = one.policy_optimizer.step

    def present():
        return [master.detach().clone() for master in one.policy_optimizer.masters]

    passed = [present()]

    def step(**options):
        norm = usual(**options)
        passed.append(present())
        return norm

    monkeypatch.setattr(one.policy_optimizer, "step", step)
    ppo.iterate(one, 0, 1, QUESTIONS)
    assert len(passed) == 5
    for number, average in enumerate(one.average.weights):
        w = [weights[number] for weights in passed]
        assert all(not torch.equal(left, right) for left, right in pairwise(w))
        expected = 0.9**4 * w[0] + 0.1 * sum(0.9 ** (4 - k) * w[k] for k in range(1, 5))
        torch.testing.assert_close(average, expected, atol=1e-12, rtol=0)


def test_evaluations_at_any_step_draw_the_same_answers():
    """Of a policy that stands still each has the same figures to the bit, so a change is the policy's alone."""
    one = learner(**SMALL)
    start, later = (rollout.evaluate(one, step, QUESTIONS) for step in (0, 5))
    assert later == start
    assert rollout.answer(one, QUESTIONS, "train", 0)[1] != rollout.answer(one, QUESTIONS, "train", 5)[1]
