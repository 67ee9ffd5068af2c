"""PPO against the optimum of its own objective, by enumeration of every answer.

E[r] − β KL(π‖π_ref) is largest for π* ∝ π_ref e^{r/β}, where it is J* = β log Σ π_ref e^{r/β}. On a vocabulary and a
length small enough to list all answers, both are exact; the real trainer must come within .01 of both.
"""

import pytest
import torch

from tests.engine.tiny_ppo import EOS, all_answers, changed, full_logprob, learner, plain_score, question
from training.engine import ppo

ITERATIONS, BATCH, PEAK = 24, 256, 0.01


@pytest.mark.parametrize(
    ("vocabulary", "length", "beta", "penalty", "spread"),
    [pytest.param(8, 1, 0.5, 0.0, 3.0, id="bandit"), pytest.param(4, 3, 0.5, 0.5, 1.0, id="sequences")],
)
def test_ppo_reaches_the_kl_regularised_optimum(vocabulary, length, beta, penalty, spread):
    one = learner(
        vocabulary, seed=3, spread=spread, packed=False, kl_beta=beta, missing_eos_penalty=penalty,
        response_length=length, rollout_batch=BATCH, minibatch=BATCH // 2, inner_epochs=2,
    )  # fmt: skip
    asked = question(1, 3)
    answers = all_answers(vocabulary, length)
    reward = torch.tensor(
        [plain_score(one.models.reward, asked.prompt, a) - penalty * (a[-1] != EOS) for a in answers]
    ).double()

    def logprob(model):
        return torch.stack([full_logprob(model, asked.prompt, answer).sum() for answer in answers])

    reference = logprob(one.models.reference)
    assert float(reference.exp().sum()) == pytest.approx(1.0), "the answers are all there are"
    best = beta * float((reference + reward / beta).logsumexp(0))
    optimum = reference + reward / beta - best / beta

    def objective():
        policy = logprob(one.models.policy)
        return float((policy.exp() * (reward - beta * (policy - reference))).sum())

    assert objective() < best - 0.3, "there must be something to learn"
    for iteration in range(ITERATIONS):
        lr = PEAK * 0.02 ** (iteration / ITERATIONS)
        changed(one, learning_rate=lr, value_learning_rate=lr)
        ppo.iterate(one, iteration, ITERATIONS, [asked] * BATCH)
    policy = logprob(one.models.policy)
    assert best - 0.01 <= objective() <= best + 1e-9
    assert float((policy.exp() * (policy - optimum)).sum()) < 0.01
