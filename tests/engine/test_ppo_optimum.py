"""PPO against the optimum of its own objective, by enumeration of every answer.

E[r] − β KL(π‖π_ref) is largest for π* ∝ π_ref e^{r/β}, where it is J* = β log Σ π_ref e^{r/β}. On a vocabulary and a
length small enough to list all answers, both are exact; the real trainer must come within .01 of both.
"""

import pytest
import torch

from tests.engine.tiny_ppo import EOS, all_answers, changed, full_logprob, learner, plain_score, question
from training.engine import ppo, rollout
from training.engine.sampling import Sampled

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


def test_the_mean_of_an_evaluations_kl_is_that_of_whole_answers():
    """E Σ_t KL(π_t ‖ π_ref,t) over all answers, each weighed with its probability, is Σ π (log π − log π_ref)."""
    one = learner(4, seed=6, packed=False, response_length=3)
    with torch.no_grad():
        one.models.policy.model.embed_tokens.weight += 0.3 * torch.randn(4, 32, dtype=torch.float64)
    prompt, answers = (1, 3), all_answers(4, 3)
    policy, reference = (
        torch.stack([full_logprob(model, prompt, tokens).sum() for tokens in answers])
        for model in (one.models.policy, one.models.reference)
    )
    expected = float((policy.exp() * (policy - reference)).sum())
    assert expected > 0.05
    drawn = [Sampled(prompt, a, tuple(full_logprob(one.models.policy, prompt, a).tolist()),
                     "eos" if a[-1] == EOS else "length") for a in answers]  # fmt: skip
    passes = [[list(range(len(drawn)))]]
    exact, k1 = (rollout.judge(one, [], drawn, passes, exact_kl=exact).kl for exact in (True, False))
    assert float((policy.exp() * exact).sum()) == pytest.approx(expected, abs=1e-10)
    torch.testing.assert_close(k1, policy - reference, atol=1e-10, rtol=0)
    assert float(exact.min()) > 0 > float(k1.min())
    assert float(exact.std()) < float(k1.std())
