"""The mathematics of PPO on answers: pure functions over padded tensors, right-padded, one row an answer.

Everywhere B answers of at most T tokens: `mask` [B, T] is True on an answer's own tokens, its end token included.
Token t is drawn in the state before it, so `values[:, t]` is the value of the prompt and the tokens before t. One
prompt, one answer, then the episode ends: nothing is worth anything after the last token. What stands in the padding
never matters, not even a NaN. Sums are divided by one denominator, given by the caller, so that micro-batches add up
to the whole batch.

Sources: Schulman et al. 2017 (1707.06347) for the clipped loss, Schulman et al. 2015 (1506.02438) for GAE, Stiennon et
al. 2020 (2009.01325) and Ouyang et al. 2022 (2203.02155) for the KL in the reward, Huang et al. 2024 (2403.17031) for
the end token, the clipped value loss and whitening.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def length_mask(lengths: Tensor, width: int) -> Tensor:
    """Bool [B, width], True on the first lengths[i] places of row i."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def moments(values: Tensor, mask: Tensor) -> list[float]:
    """Count, sum and sum of squares over the mask: what several processes add up before they whiten."""
    kept = torch.where(mask, values, 0).double()
    return [float(mask.sum()), float(kept.sum()), float(kept.square().sum())]


def whiten(values: Tensor, mask: Tensor, total: Sequence[float], eps: float = 1e-8) -> Tensor:
    """Values shifted and scaled so that the whole batch has mean 0 and variance 1 over the mask; 0 outside of it.

    `total` is the whole batch's `moments`, of which `values` may be one process's part.
    """
    count, first, second = total
    mean = first / count
    variance = max(second / count - mean**2, 0.0)
    return torch.where(mask, (values - mean) / math.sqrt(variance + eps), 0)


def scale(values: Tensor, mask: Tensor, total: Sequence[float], eps: float = 1e-8) -> Tensor:
    """Values divided by the whole batch's standard deviation over the mask, nothing subtracted; 0 outside of it.

    For rewards: a shift would pay or charge every token and so change what the best answer is, a scale does not.
    (lm-human-preferences subtracts the mean, scales and adds the mean back, which shifts where it is not 0.)
    """
    count, first, second = total
    variance = max(second / count - (first / count) ** 2, 0.0)
    return torch.where(mask, values / math.sqrt(variance + eps), 0)


def adapted(beta: float, kl: float, *, target: float, answers: int, horizon: float) -> float:
    """The next price β of a nat after `answers` answers of mean KL `kl`, in nats an answer (Ziegler et al. 2019, 2.2):

    e = clip(kl / target − 1, −.2, .2),   β ← β (1 + e · answers / horizon)
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + error * answers / horizon)


def best_of_kl(n: int) -> float:
    """KL in nats of the best of n answers to the policy that drew them, at most: log n − (n − 1)/n (Stiennon et al.
    2020; a bound that is met where no two answers score alike, Beirami et al. 2024).
    """
    return math.log(n) - (n - 1) / n


def penalised(scores: Tensor, ended: Tensor, missing_eos_penalty: float) -> Tensor:
    """Scores [B] of the reward model, less the penalty where an answer did not end by itself (`ended` [B] False).

    Huang et al. 2024 put a fixed −1 in place of such a score, which suits scores near 0 and pays for never ending
    where they are below −1; a subtraction keeps its sense wherever the scores lie.
    """
    return scores - missing_eos_penalty * (~ended).to(scores.dtype)


def token_rewards(scores: Tensor, logprobs: Tensor, reference: Tensor, mask: Tensor, beta: float) -> Tensor:
    """Reward of each token [B, T]: −β (log π − log π_ref), plus the answer's score on its last token.

    The estimator of the KL is k1, the log-ratio itself: as a reward it has the KL-regularised optimum as its fixed
    point (IG eq. 2), which the k2 and k3 estimators do not. The last token of an answer that ended is its end token.
    """
    last = mask & (mask.sum(1, keepdim=True) == mask.cumsum(1))
    rewards = -beta * torch.where(mask, logprobs - reference, 0)
    return rewards + torch.where(last, scores[:, None], 0)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation: (advantages, returns), both [B, T] and 0 outside the mask.

    δ_t = r_t + γ V_{t+1} − V_t, A_t = δ_t + γλ A_{t+1}, return = A + V, with V and A zero after the last token
    (1506.02438, eq. 11 and 16).
    """
    rewards, values = torch.where(mask, rewards, 0), torch.where(mask, values, 0)
    advantages = torch.zeros_like(rewards)
    following = next_value = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = torch.where(mask[:, t], delta + gamma * lam * following, 0)
        advantages[:, t], next_value = following, values[:, t]
    return advantages, torch.where(mask, advantages + values, 0)


@dataclass(frozen=True)
class ClippedLoss:
    """A clipped loss to be added up over micro-batches, and for the report, without gradient: how many tokens are
    clipped, the sum of the ratios, the largest |ratio − 1|, and the sum of log π_old − log π_new: k1 of the KL from
    the policy that sampled to the present one.
    """

    loss: Tensor
    clipped: Tensor
    ratio_sum: Tensor
    ratio_off: Tensor
    moved: Tensor


def policy_loss(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, clip: float, denominator: float
) -> ClippedLoss:
    """−Σ min(ρ A, clip(ρ, 1 − ε, 1 + ε) A) / denominator with ρ = π_new / π_old (1707.06347, eq. 7).

    `clipped` counts the tokens where the clipped term is the smaller one, where the gradient is zero.
    """
    ratio = torch.where(mask, new - old, 0).exp()
    advantages = torch.where(mask, advantages, 0)
    free = -advantages * ratio
    bound = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return ClippedLoss(
        loss=torch.maximum(free, bound).sum() / denominator,
        clipped=((bound > free) & mask).sum(),
        ratio_sum=torch.where(mask, ratio.detach(), 0).sum(),
        ratio_off=(ratio.detach() - 1).abs().max(),
        moved=torch.where(mask, old - new.detach(), 0).sum(),
    )


def value_loss(
    new: Tensor, old: Tensor, returns: Tensor, mask: Tensor, clip: float, denominator: float
) -> tuple[Tensor, Tensor]:
    """½ Σ max((V − R)², (V_clipped − R)²) / denominator with V_clipped within ±clip of the old value: (loss, clipped).

    `clipped` counts the tokens where the clipped term is the larger one (lm-human-preferences; 2403.17031, detail 17).
    """
    new, old, returns = (torch.where(mask, t, 0) for t in (new, old, returns))
    free = (new - returns).square()
    bound = (torch.maximum(torch.minimum(new, old + clip), old - clip) - returns).square()
    return 0.5 * torch.maximum(free, bound).sum() / denominator, ((bound > free) & mask).sum()


@torch.no_grad()
def state_kl(logprobs: Tensor, reference: Tensor) -> Tensor:
    """KL(π ‖ π_ref) = Σ π (log π − log π_ref) in nats [N], of log π and log π_ref [N, V], without gradient.

    Summed over the states of an answer drawn from π, its mean is the KL of whole answers (chain rule), with less
    variance than the log-ratios of the drawn tokens have and never below 0.
    """
    gap = (logprobs - reference).mul_(logprobs.exp())
    return gap.masked_fill_(logprobs == -math.inf, 0.0).sum(-1)
