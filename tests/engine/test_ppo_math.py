"""PPO's mathematics against values worked by hand."""

import math

import pytest
import torch

from training.engine import ppo_math as pm

F64 = torch.float64


def rows(*values):
    return torch.tensor(values, dtype=F64)


def mask(*lengths, width):
    return pm.length_mask(torch.tensor(lengths), width)


def test_length_mask():
    assert mask(3, 1, width=3).tolist() == [[True, True, True], [True, False, False]]


@pytest.mark.oracle(15)
def test_whitening_over_the_mask_whatever_stands_in_the_padding():
    """1, 2, 3 and 6 have mean 3 and variance (4 + 1 + 0 + 9) / 4 = 3.5."""
    values = rows([1, 2, math.nan], [3, 6, 1e30])
    keep = mask(2, 2, width=3)
    white = pm.whiten(values, keep, pm.moments(values, keep))
    expected = rows([-2, -1, 0], [0, 3, 0]) / math.sqrt(3.5)
    torch.testing.assert_close(white, expected, atol=1e-8, rtol=0)


@pytest.mark.oracle(15)
def test_two_processes_whiten_as_one():
    """The same four values in two parts, whose moments add up to n = 4, Σ = 12, Σ² = 50."""
    parts, keep = [rows([1, 2]), rows([3, 6])], mask(2, width=2)
    total = [sum(column) for column in zip(*(pm.moments(part, keep) for part in parts), strict=True)]
    assert total == [4, 12, 50]
    white = torch.cat([pm.whiten(part, keep, total) for part in parts])
    torch.testing.assert_close(white, rows([-2, -1], [0, 3]) / math.sqrt(3.5), atol=1e-8, rtol=0)


def test_scaled_rewards_keep_their_sign_and_have_variance_one():
    """1, 2, 3 and 6 have variance 3.5: nothing is subtracted, so each is only divided by √3.5."""
    values = rows([1, 2, math.nan], [3, 6, 1e30])
    keep = mask(2, 2, width=3)
    scaled = pm.scale(values, keep, pm.moments(values, keep))
    torch.testing.assert_close(scaled, rows([1, 2, 0], [3, 6, 0]) / math.sqrt(3.5), atol=1e-8, rtol=0)
    assert float(scaled[keep].var(correction=0)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (6.0, 0.1),  # on target: β stays
        (6.6, 0.1 * (1 + 0.1 * 0.05)),  # a tenth above: e = .1, n / horizon = 512 / 10240
        (60.0, 0.1 * (1 + 0.2 * 0.05)),  # far above: e is held at .2
        (0.0, 0.1 * (1 - 0.2 * 0.05)),  # far below: at −.2
    ],
)
def test_adaptive_beta_by_hand(kl, expected):
    assert pm.adapted(0.1, kl, target=6.0, answers=512, horizon=10_240) == pytest.approx(expected, rel=1e-12)


def test_the_kl_of_the_best_of_n():
    """log 1 − 0 = 0; log 2 − ½; log 4 − ¾."""
    assert pm.best_of_kl(1) == 0.0
    assert pm.best_of_kl(2) == pytest.approx(0.1931472, abs=1e-7)
    assert pm.best_of_kl(4) == pytest.approx(0.6362944, abs=1e-7)
    many = 4000  # equally likely answers, all different: P(rank ≤ k) = (k/m)², so p_k = (2k − 1)/m²
    p = (2 * torch.arange(1, many + 1, dtype=F64) - 1) / many**2
    assert float((p * (p * many).log()).sum()) == pytest.approx(pm.best_of_kl(2), abs=1e-3)


@pytest.mark.oracle(6)
def test_missing_end_costs_the_penalty_at_any_level_of_scores():
    scores = pm.penalised(rows(-7.0, 2.0, -7.0), torch.tensor([True, True, False]), 1.0)
    assert scores.tolist() == [-7.0, 2.0, -8.0]


@pytest.mark.oracle(6)
def test_token_rewards_by_hand():
    """β = .1; log-ratios .5, −1, 2 and the score 3 on the last token; a second answer of one token."""
    logprobs, reference = rows([-1.0, -2.0, -1.0], [-0.5, 7, 7]), rows([-1.5, -1.0, -3.0], [-0.5, 0, 0])
    rewards = pm.token_rewards(rows(3.0, -2.0), logprobs, reference, mask(3, 1, width=3), beta=0.1)
    torch.testing.assert_close(rewards, rows([-0.05, 0.1, 2.8], [-2.0, 0, 0]))


@pytest.mark.oracle(5)
def test_rewards_add_up_to_the_score_less_the_price_of_the_kl():
    """At γ = 1 and λ = 1 with V = 0, the advantage of the first token is the whole: score − β Σ k1."""
    logprobs, reference = rows([-1.0, -2.0, -1.0, 9.0]), rows([-1.5, -1.0, -3.0, 0.0])
    keep = mask(3, width=4)
    rewards = pm.token_rewards(rows(3.0), logprobs, reference, keep, beta=0.1)
    assert float(rewards.sum()) == pytest.approx(3.0 - 0.1 * (0.5 - 1 + 2))
    advantages, _ = pm.gae(rewards, torch.zeros(1, 4, dtype=F64), keep, gamma=1.0, lam=1.0)
    assert float(advantages[0, 0]) == pytest.approx(2.85)


@pytest.mark.oracle(4)
def test_gae_by_hand():
    """r = 1, 0, 2; V = .5, 1, −1; γ = .9, λ = .5.

    δ = 1 + .9 − .5, 0 − .9 − 1, 2 − 0 + 1 = 1.4, −1.9, 3.
    A₂ = 3, A₁ = −1.9 + .45·3 = −.55, A₀ = 1.4 − .45·.55 = 1.1525.
    """
    advantages, returns = pm.gae(
        rows([1, 0, 2, math.nan]), rows([0.5, 1, -1, math.nan]), mask(3, width=4), gamma=0.9, lam=0.5
    )
    torch.testing.assert_close(advantages, rows([1.1525, -0.55, 3, 0]))
    torch.testing.assert_close(returns, rows([1.6525, 0.45, 2, 0]))


@pytest.mark.oracle(4)
def test_gae_in_matrix_form():
    """A = M δ with M[t, s] = (γλ)^(s−t) for s ≥ t, on whole and shorter rows."""
    generator = torch.Generator().manual_seed(1)
    rewards, values = (torch.randn(3, 6, generator=generator, dtype=F64) for _ in range(2))
    lengths, gamma, lam = [6, 4, 1], 0.97, 0.9
    advantages, _ = pm.gae(rewards, values, mask(*lengths, width=6), gamma, lam)
    for row, n in enumerate(lengths):
        after = torch.cat([values[row, 1:n], torch.zeros(1, dtype=F64)])
        delta = rewards[row, :n] + gamma * after - values[row, :n]
        steps = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        matrix = torch.where(steps >= 0, (gamma * lam) ** steps.clamp(min=0).double(), 0.0)
        torch.testing.assert_close(advantages[row, :n], matrix @ delta)
        assert advantages[row, n:].abs().sum() == 0


@pytest.mark.oracle(4)
def test_lambda_one_returns_do_not_depend_on_the_values_and_lambda_zero_gives_delta():
    keep = mask(3, width=3)
    rewards = rows([1, 0, 2])
    for values in (rows([0.0, 0, 0]), rows([5.0, -3, 0.25])):
        assert pm.gae(rewards, values, keep, 1.0, 1.0)[1].tolist() == [[3.0, 2.0, 2.0]]
    delta = pm.gae(rewards, rows([5.0, -3, 0.25]), keep, 1.0, 0.0)[0]
    torch.testing.assert_close(delta, rows([1 - 3 - 5, 0 + 0.25 + 3, 2 - 0.25]))


@pytest.mark.oracle(12)
@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.3, 2.0, -2.4, 0.0),  # above the band and good: held at 1.2
        (0.7, 2.0, -1.4, -1.4),  # below the band and good: free to come back
        (1.3, -2.0, 2.6, 2.6),  # above the band and bad: free to come back
        (0.7, -2.0, 1.6, 0.0),  # below the band and bad: held at .8
    ],
)
def test_clipped_policy_loss_and_its_gradient(ratio, advantage, loss, slope):
    """ε = .2, log π_old = −.7; d loss / d log π = −A ρ where the loss is free, 0 where it is held."""
    new = rows([math.log(ratio) - 0.7, 5.0]).requires_grad_()
    result = pm.policy_loss(new, rows([-0.7, 0.0]), rows([advantage, 3.0]), mask(1, width=2), 0.2, denominator=1)
    result.loss.backward()
    assert float(result.loss.detach()) == pytest.approx(loss)
    assert new.grad.tolist() == [[pytest.approx(slope), 0.0]]
    assert int(result.clipped) == (slope == 0)
    assert float(result.ratio_sum) == pytest.approx(ratio)
    assert float(result.ratio_off) == pytest.approx(abs(ratio - 1))
    assert float(result.moved) == pytest.approx(-math.log(ratio))


def test_a_nan_in_the_padding_reaches_neither_losses_nor_gradients():
    new = rows([0.1, math.nan]).requires_grad_()
    pm.policy_loss(new, rows([0.0, math.nan]), rows([1.0, math.nan]), mask(1, width=2), 0.2, 1).loss.backward()
    assert new.grad.tolist() == [[pytest.approx(-math.exp(0.1)), 0.0]]
    value = rows([0.1, math.nan]).requires_grad_()
    pm.value_loss(value, rows([0.0, math.nan]), rows([1.0, math.nan]), mask(1, width=2), 0.2, 1)[0].backward()
    assert value.grad.tolist() == [[pytest.approx(-0.9), 0.0]]


@pytest.mark.oracle(12)
@pytest.mark.parametrize(
    ("value", "aim", "loss", "slope", "clipped"),
    [
        (0.1, 1.0, 0.5 * 0.81, -0.9, 0),  # inside the band of 0 ± .2 around the old value
        (0.5, 1.0, 0.5 * 0.64, 0.0, 1),  # moved .5 towards the return 1: held at .2, error .8
        (-0.5, 1.0, 0.5 * 2.25, -1.5, 0),  # moved away: the free error 1.5 is the larger one
        (-0.1, -1.0, 0.5 * 0.81, 0.9, 0),  # and the mirror of each
        (-0.5, -1.0, 0.5 * 0.64, 0.0, 1),  # held at −.2
        (0.5, -1.0, 0.5 * 2.25, 1.5, 0),
    ],
)
@pytest.mark.parametrize("old", [0.0, 3.0, -3.0])
def test_clipped_value_loss(old, value, aim, loss, slope, clipped):
    """Value and return as seen from the old value: the band moves with it."""
    new = rows([old + value]).requires_grad_()
    result, count = pm.value_loss(new, rows([old]), rows([old + aim]), mask(1, width=1), 0.2, denominator=1)
    result.backward()
    assert float(result.detach()) == pytest.approx(loss)
    assert float(new.grad) == pytest.approx(slope)
    assert int(count) == clipped


def test_micro_batches_with_one_denominator_add_up_to_the_whole_batch():
    generator = torch.Generator().manual_seed(2)
    new, old, advantages = (torch.randn(4, 5, generator=generator, dtype=F64) for _ in range(3))
    keep = mask(5, 1, 3, 2, width=5)
    whole = pm.policy_loss(new, old, advantages, keep, 0.2, denominator=11).loss
    parts = [pm.policy_loss(new[i], old[i], advantages[i], keep[i], 0.2, 11).loss for i in ([0], [1, 2], [3])]
    assert float(whole) == pytest.approx(sum(float(part) for part in parts))


def test_the_kl_of_a_state_over_the_whole_vocabulary():
    """π = (½, ½, 0), π_ref = (¼, ½, ¼): ½ ln 2; a token that π rules out adds nothing. The other way round: ∞."""
    policy, reference = rows([0.5, 0.5, 0.0]).log(), rows([0.25, 0.5, 0.25]).log()
    assert pm.state_kl(policy, reference).tolist() == pytest.approx([0.5 * math.log(2)])
    assert pm.state_kl(reference, reference).tolist() == [0.0]
    assert pm.state_kl(reference, policy).tolist() == [math.inf]
