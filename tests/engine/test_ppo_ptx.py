"""Pretraining text beside PPO: the gradient is the sum, γ = 0 is PPO, and rows come each once before any again."""

from itertools import pairwise

import pytest
import torch

from tests.engine.tiny_ppo import learner, question
from training.engine import ppo, ptx, rollout, update
from training.engine.errors import RunError
from training.engine.optimizer import MasterAdamW
from training.engine.ptx import Pretraining

QUESTIONS = [question(5, 6, 7), question(9), question(3, 4), question(8, 8, 8, 8)]
SMALL = {"rollout_batch": 4, "minibatch": 4, "response_length": 5, "ptx_examples": 2}
ROWS = [[(3 + 7 * row + 5 * place) % 20 for place in range(6)] for row in range(12)]


class Stepped(Exception):
    """The optimizer was about to make a step."""


def gradients_of_one_minibatch(monkeypatch, gamma, *, pretraining=True):
    """What lies in the policy's gradients when the trainer's first step is due, and the rows it had."""
    one = learner(**SMALL, seed=4, ptx_gamma=gamma)
    one.pretraining = Pretraining(ROWS, seed=1) if pretraining else None
    found = {}

    def stop(optimizer, **kwargs):
        found["grads"] = [master.grad.clone() for master in optimizer.masters]
        raise Stepped

    with monkeypatch.context() as patched:
        patched.setattr(MasterAdamW, "step", stop)
        with pytest.raises(Stepped):
            ppo.iterate(one, 0, 1, QUESTIONS)
    return one, found["grads"]


@pytest.mark.oracle(17)
def test_the_gradient_is_that_of_ppo_and_gamma_times_that_of_the_text(monkeypatch):
    """The text's gradient by autograd of the plain formula, a mean over the 5 predicted tokens of each row."""
    gamma = 27.8
    _, plain = gradients_of_one_minibatch(monkeypatch, 0.0)
    one, both = gradients_of_one_minibatch(monkeypatch, gamma)
    rows = torch.tensor(one.pretraining.drawn(0, 2 * 4))
    masters = one.policy_optimizer.masters
    logprobs = one.models.policy(rows, use_cache=False).logits[:, :-1].log_softmax(-1)
    text = torch.autograd.grad(-logprobs.gather(-1, rows[:, 1:, None]).mean(), masters)
    assert max(float(grad.abs().max()) for grad in text) > 1e-3
    for mine, ppo_alone, text_alone in zip(both, plain, text, strict=True):
        torch.testing.assert_close(mine, ppo_alone + gamma * text_alone, atol=1e-9, rtol=1e-9)


@pytest.mark.oracle(17)
def test_gamma_zero_is_ppo_bitwise(monkeypatch):
    _, with_text = gradients_of_one_minibatch(monkeypatch, 0.0)
    _, without = gradients_of_one_minibatch(monkeypatch, 0.0, pretraining=False)
    assert all(torch.equal(a, b) for a, b in zip(with_text, without, strict=True))


def test_forward_passes_of_any_size_give_the_same_gradient_and_loss():
    found = []
    for micro_tokens in (16, 10_000):
        one = learner(**SMALL, seed=4, ptx_gamma=2.0, micro_tokens=micro_tokens)
        loss = ptx.accumulate(one.run, one.models.policy, ROWS, 2.0)
        found.append((loss, [master.grad.clone() for master in one.policy_optimizer.masters]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)


def test_the_text_makes_the_policy_keep_to_it():
    """With the reward switched off by a β of 0 and a flat reward, only the text moves the policy."""
    one = learner(**SMALL, seed=4, ptx_gamma=50.0, kl_beta=0.0, learning_rate=3e-3, missing_eos_penalty=0.0)
    one.models.reward.score.weight.data.zero_()
    one.pretraining = Pretraining(ROWS, seed=1)
    before = ptx.evaluate(one.run, one.models.policy, one.pretraining.rows)
    figures = [ppo.iterate(one, iteration, 12, QUESTIONS) for iteration in range(12)]
    assert ptx.evaluate(one.run, one.models.policy, one.pretraining.rows) < before - 0.3
    assert figures[0]["ptx_loss"] > figures[-1]["ptx_loss"]


def test_held_out_rows_are_never_drawn_and_the_others_each_once_before_any_again():
    text = Pretraining(ROWS, seed=1)
    assert (len(text.held_out), len(text.rows)) == (1, 11)
    drawn = [tuple(row) for step in range(11) for row in text.drawn(step, 3)]
    assert tuple(text.held_out[0]) not in drawn
    for epoch in range(3):
        assert sorted(drawn[11 * epoch : 11 * epoch + 11]) == sorted(map(tuple, text.rows))
    assert text.drawn(5, 3) == Pretraining(ROWS, seed=1).drawn(5, 3), "a function of seed and step"
    with pytest.raises(RunError, match="fewer than two"):
        Pretraining(ROWS[:1], seed=1)


def test_gamma_without_a_text_is_one_clear_sentence():
    one = learner(**SMALL, ptx_gamma=1.0)
    with pytest.raises(RunError, match=r"ptx_gamma needs a pretraining text, but the run was given none\."):
        Pretraining.of(one.run, one.tokenizer)
    assert Pretraining.of(learner(**SMALL).run, one.tokenizer) is None


@pytest.mark.oracle(17)
def test_each_step_has_text_of_its_own(monkeypatch):
    """Eight steps of 2 · 2 rows learn from 11: neighbours' differ, and each row comes once before any comes again."""
    one = learner(**{**SMALL, "minibatch": 2, "inner_epochs": 2}, ptx_gamma=1.0)
    one.pretraining = Pretraining(ROWS, seed=1)
    learned, usual = [], ptx.accumulate

    def noted(run, model, rows, gamma):
        learned.append([tuple(row) for row in rows])
        return usual(run, model, rows, gamma)

    monkeypatch.setattr(ptx, "accumulate", noted)
    for iteration in range(2):
        _, answers = rollout.answer(one, QUESTIONS, "train", iteration)
        passes = rollout.order(one, answers, iteration, epoch=0)
        judged = rollout.judge(one, QUESTIONS, answers, passes)
        update.learn(one, QUESTIONS, judged, iteration, passes, lambda part: None)
    assert [len(rows) for rows in learned] == [4] * 8
    assert all(set(before) != set(after) for before, after in pairwise(learned))
    rows = [row for step in learned for row in step]
    for start in (0, 11):
        assert sorted(rows[start : start + 11]) == sorted(map(tuple, one.pretraining.rows))
