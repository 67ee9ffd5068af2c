"""What one rollout batch teaches: advantages, and clipped steps of policy and value, a minibatch each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from training.engine import episodes, ppo_math, ppo_report, ptx, sharding
from training.engine.data import Question
from training.engine.episodes import Episodes
from training.engine.learner import Learner
from training.engine.ppo_report import Tally
from training.engine.rollout import Passes, minibatches, order
from training.engine.runtime import all_sum
from training.engine.value_head import ValueHead


def advantages(learner: Learner, judged: Episodes) -> tuple[Tensor, Tensor]:
    """Advantages and returns, both [B, T]; what is whitened is so over the batches of all ranks."""
    run, s = learner.run, learner.run.settings
    scores = ppo_math.penalised(judged.scores, judged.ended, s.missing_eos_penalty)
    rewards = ppo_math.token_rewards(scores, judged.logprobs, judged.reference, judged.mask, learner.beta)
    if s.whiten_rewards == "on":
        rewards = ppo_math.scale(rewards, judged.mask, all_sum(run, ppo_math.moments(rewards, judged.mask)))
    raw, returns = ppo_math.gae(rewards, judged.values, judged.mask, s.gamma, s.gae_lambda)
    if s.whiten_advantages == "on":
        raw = ppo_math.whiten(raw, judged.mask, all_sum(run, ppo_math.moments(raw, judged.mask)))
    return raw, returns


def learn(
    learner: Learner, batch: Sequence[Question], judged: Episodes, iteration: int, passes: Passes,
    show: Callable[[float], None],
) -> dict[str, float]:  # fmt: skip
    """`inner_epochs` passes over the batch, one step of policy and value a minibatch; figures of the update.

    Ends early where the policy has moved by more than kl_stop from the one that sampled.
    """
    run, s, tally = learner.run, learner.run.settings, Tally()
    if culprits := not_finite(learner, batch, judged):
        run.report.note(
            f"Iteration {iteration + 1} teaches nothing: the score, a value or a log-probability of an answer to "
            f"{len(culprits):,} of its prompts is not finite."
        )
        learner.skipped += 1
        learner.divergence.check(math.nan, f"Iteration {iteration + 1}", run.report, culprits)
        return {}
    aims = advantages(learner, judged)
    policy_lr = warmed_up(iteration, s.warmup_iterations, s.learning_rate)
    value_lr = warmed_up(iteration, s.warmup_iterations, s.value_learning_rate)
    for epoch in range(s.inner_epochs):
        together = minibatches(s, iteration, epoch)
        for number, minibatch in enumerate(order(learner, judged.answers, iteration, epoch) if epoch else passes):
            step = (iteration * s.inner_epochs + epoch) * len(passes) + number
            rows = [row for part in minibatch for row in part]
            [tokens] = all_sum(run, [float(judged.mask[rows].sum())])
            most = most_passes(learner, len(minibatch))
            moved = sum(backward(learner, judged, aims, part, tokens, tally) for part in minibatch)
            sharding.even_out([learner.models.policy, learner.models.value], len(minibatch), most)
            if s.kl_stop and step_is_too_far(learner, moved, tally):
                return {**tally.figures(run), "learning_rate": policy_lr}
            if learner.pretraining is not None and s.ptx_gamma:
                text = learner.pretraining.drawn(step, s.ptx_examples * s.minibatch)
                tally.add_ptx(ptx.accumulate(run, learner.models.policy, text, s.ptx_gamma))
            norm = learner.policy_optimizer.step(lr=policy_lr, max_norm=s.max_grad_norm)
            value_norm = learner.value_optimizer.step(lr=value_lr, max_norm=s.max_grad_norm)
            named = f"Minibatch {epoch * len(passes) + number + 1} of iteration {iteration + 1}"
            check(learner, named, (norm, value_norm), [batch[row].id for row in together[number]])
            if learner.average is not None and math.isfinite(norm):
                learner.average.update()
            tally.end_step(norm, value_norm)
            show((epoch + (number + 1) / len(passes)) / s.inner_epochs)
    return {**tally.figures(run), "learning_rate": policy_lr}


def backward(
    learner: Learner, judged: Episodes, aims: tuple[Tensor, Tensor], rows: list[int], tokens: float, tally: Tally
) -> float:
    """Add one forward pass's gradients of both losses; `tokens` is the whole minibatch's count, over all ranks.

    Returns the pass's part of the KL, a token, from the policy that sampled (k1).
    """
    s, models, part = learner.run.settings, learner.models, [judged.answers[row] for row in rows]
    width = max(len(answer.tokens) for answer in part)
    mask, old, old_values, advantage, aim = (
        whole[rows, :width] for whole in (judged.mask, judged.logprobs, judged.values, *aims)
    )
    trunk = models.value if isinstance(models.value, ValueHead) else None
    reading = judged.kept.pop(tuple(rows), None) or episodes.read(models.policy, part, s.temperature, trunk)
    policy = ppo_math.policy_loss(reading.logprobs, old, advantage, mask, s.clip_ratio, tokens)
    loss, entropy, values = policy.loss, float(reading.entropy.sum()), reading.values
    del reading
    if trunk is None:
        loss.backward()
        values = episodes.answer_values(models.value, part) if values is None else values
    value_loss, value_clipped = ppo_math.value_loss(values, old_values, aim, mask, s.value_clip, tokens)
    (value_loss if trunk is None else loss + s.value_coefficient * value_loss).backward()
    tally.add(
        ratio_off=float(policy.ratio_off), tokens=float(mask.sum()), policy_loss=float(loss.detach()) * tokens,
        value_loss=float(value_loss.detach()) * tokens, entropy=entropy,
        ratio_mean=float(policy.ratio_sum), clip_fraction=float(policy.clipped),
        value_clip_fraction=float(value_clipped), update_kl=float(policy.moved),
    )  # fmt: skip
    return float(policy.moved) / tokens


def most_passes(learner: Learner, mine: int) -> int:
    """The most passes that any rank makes of a minibatch, of which this one makes `mine`; asked before the first.

    Where layers are sharded a pass waits for the other ranks, so none of them may be waiting elsewhere meanwhile.
    """
    if not sharding.is_sharded(learner.models.policy):
        return mine
    by_rank = [0.0] * learner.run.world
    by_rank[learner.run.rank] = float(mine)
    return int(max(all_sum(learner.run, by_rank)))


def step_is_too_far(learner: Learner, moved: float, tally: Tally) -> bool:
    """Whether the policy has moved by more than kl_stop from the one that sampled; if so the step is not taken."""
    [kl] = all_sum(learner.run, [moved])
    if not tally.steps or kl <= learner.run.settings.kl_stop:  # before the first step it is rounding alone
        return False
    learner.policy_optimizer.clear()
    learner.value_optimizer.clear()
    tally.stopped = True
    return True


def not_finite(learner: Learner, batch: Sequence[Question], judged: Episodes) -> list[str]:
    """The prompts, over all ranks, with an answer that a model cannot put a finite number on."""
    run = learner.run
    table = torch.where(judged.mask, judged.logprobs + judged.reference + judged.values, 0).sum(1) + judged.scores
    bad = (~torch.isfinite(table)).double().tolist()
    found = ppo_report.of_all_ranks(run, bad, len(batch))
    return list(dict.fromkeys(question.id for question, wrong in zip(batch, found, strict=True) if wrong))


def warmed_up(iteration: int, warmup: int, peak: float) -> float:
    """The learning rate of iteration 0, 1, …: from a tenth of the peak to all of it over `warmup` (IG C.4)."""
    return peak * (0.1 + 0.9 * min(1.0, iteration / warmup)) if warmup else peak


def check(learner: Learner, named: str, norms: tuple[float, float], prompts: Sequence[str]) -> None:
    """Count and note a minibatch from which policy or value, or both, learned nothing, as a norm was not finite.

    Each has a step of its own: one of them may have been made. `prompts` are the minibatch's, by id. Raises RunError
    at the third in a row.
    """
    wrong = [who for who, norm in zip(("policy", "value"), norms, strict=True) if not math.isfinite(norm)]
    step = f"The {wrong[0]}'s step on {named[0].lower()}{named[1:]}" if len(wrong) == 1 else named
    learner.skipped += bool(wrong)
    learner.updates += math.isfinite(norms[0])
    learner.divergence.check(
        sum(norms), step, learner.run.report, list(dict.fromkeys(prompts)), are="It has the prompts"
    )
