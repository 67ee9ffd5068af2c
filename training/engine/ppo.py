"""PPO: the SFT policy learns from the reward model, at a price for every nat it moves away (IG section 3.5, eq. 2).

    torchrun --standalone --nproc-per-node=1 -m training.engine.ppo --run-dir DIR

One iteration: sample an answer to each of `rollout_batch` prompts; let the frozen reference, the reward model and the
value model read them; turn scores and log-ratios into advantages; take one optimizer step a minibatch. Before the
first and after the last iteration the policy answers the same held-out prompts with the same seeds.

Differences to IG: no pretraining mix, no EMA of the weights; advantages are whitened over the rollout batch (Huang et
al. 2024); λ and value clip, on which the paper is silent, are those of its forerunners. The value model has an Adam
and a learning rate of its own, so its loss has no coefficient: Adam's steps do not depend on the scale of a loss.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.engine import checkpoint, data, episodes, heads, ppo_math, ppo_report
from training.engine.attention import has_tree_attention
from training.engine.config import PPOSettings
from training.engine.data import Question
from training.engine.episodes import Episodes, Models
from training.engine.errors import RunError
from training.engine.models import load_policy, load_reward, unembeds_plainly
from training.engine.optimizer import Divergence, MasterAdamW
from training.engine.runtime import Clock, Result, Run, all_sum, run_main
from training.engine.sampling import Sampled, check_room, row_seed, sample
from training.engine.state import Keeper

Passes = list[list[list[int]]]


def main(run: Run) -> Result:
    """Train the policy and write it as a checkpoint that plain transformers loads."""
    s: PPOSettings = run.settings
    if s.minibatch % run.world:
        raise RunError(f"minibatch must be a multiple of the {run.world} processes, but {s.minibatch} is not.")
    folder = data.open_snapshot(run.inputs)
    learner = load(run)
    checkpoint.check_space(run, learner.models.policy)
    # The value model is of the reward model's checkpoint, so it has the same room.
    for model, name in ((learner.models.policy, "the policy"), (learner.models.reward, "the reward model")):
        check_room(model, s.max_prompt_length, s.response_length, end=1, name=name)
    train, held_out, counts = questions(learner, folder)
    iterations = s.episodes // s.rollout_batch

    keeper = Keeper(run)
    progress = keeper.progress or {"iteration": 0, "history": [], "clock": 0.0, "skipped": 0, "in_a_row": 0}
    if keeper.progress is None:
        progress["before"], progress["rewards"] = evaluate(learner, 0, held_out)
    learner.skipped, learner.divergence = progress["skipped"], Divergence(progress["in_a_row"])
    clock = Clock(progress["clock"])
    batches = prompt_batches(train, s.rollout_batch, s.seed)
    with keeper.keeping(policy=learner.policy_optimizer, value=learner.value_optimizer):
        for iteration, batch in islice(enumerate(batches), progress["iteration"], iterations):
            progress["history"].append(iterate(learner, iteration, iterations, batch))
            progress |= {"iteration": iteration + 1, "clock": clock.seconds, "skipped": learner.skipped,
                         "in_a_row": learner.divergence.in_a_row}  # fmt: skip
            keeper.end_step(iteration + 1, progress)
    after, last_rewards = evaluate(learner, iterations, held_out)

    summary = {
        **ppo_report.start_and_end(progress["before"], after, progress["history"]),
        **(ppo_report.rounded(ppo_report.change(progress["rewards"], last_rewards)) if held_out else {}),
        "episodes": iterations * s.rollout_batch,
        "episodes_per_second": round(iterations * s.rollout_batch / progress["clock"], 4),
        "iterations": iterations,
        "skipped_steps": learner.skipped,
        **counts,
    }
    run.report.progress("save", 0, 1)
    learner.policy_optimizer.restore()
    path, digest = checkpoint.save(run, learner.models.policy, learner.tokenizer, summary=summary)
    run.report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


@dataclass
class Learner:
    """What an iteration needs: the run, its four models and the optimizers of the two that learn."""

    run: Run
    models: Models
    tokenizer: PreTrainedTokenizerBase
    policy_optimizer: MasterAdamW
    value_optimizer: MasterAdamW
    divergence: Divergence
    skipped: int = 0


def load(run: Run) -> Learner:
    """The four models and their optimizers. Raises RunError where the models do not read the same tokens."""
    inputs, report = run.inputs, run.report
    learning, frozen = ({"dtype": dtype, "device": run.device} for dtype in (torch.float32, run.dtype))
    report.progress("load", 0, 4)
    policy, tokenizer = load_policy(inputs, inputs["policy"], **learning)
    if not unembeds_plainly(policy):
        raise RunError("PPO cannot train this architecture: it changes its logits after the unembedding.")
    report.progress("load", 1, 4)
    policy_optimizer = MasterAdamW(policy, lower=policy, dtype=run.dtype)
    reference, _ = load_policy(inputs, inputs["policy"], **frozen)
    report.progress("load", 2, 4)
    reward, reward_tokenizer = load_reward(inputs, inputs["reward"], **frozen)
    if reward_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise RunError("The policy and the reward model have different tokenizers, so PPO cannot use them together.")
    report.progress("load", 3, 4)
    value, _ = load_reward(inputs, inputs["reward"], **learning)
    value_optimizer = MasterAdamW(value, lower=heads.body(value), dtype=run.dtype)
    report.progress("load", 4, 4)
    models = Models(policy, reference.requires_grad_(False), reward.requires_grad_(False), value)
    return Learner(run, models, tokenizer, policy_optimizer, value_optimizer, Divergence())


def questions(learner: Learner, folder: Path) -> tuple[list[Question], list[Question], dict[str, int]]:
    """Training prompts, the held-out prompts of the evaluation, and for the summary how many are used and left out."""
    run, s = learner.run, learner.run.settings
    read = {"folder": folder, "tokenizer": learner.tokenizer, "max_prompt_length": s.max_prompt_length}
    train = data.questions(splits=("train",), **read)
    if not train.items:
        raise RunError(f"The snapshot has no training prompts of at most {s.max_prompt_length} tokens.")
    valid = data.questions(splits=("valid",), **read)
    held_out = data.shuffled(valid.items, s.seed)[: s.eval_prompts]
    held_out = held_out if len(held_out) >= run.world else []
    reached = min(len(train.items), s.episodes - s.episodes % s.rollout_batch)
    counts = {
        "train_prompts": reached,
        "left_out_long": train.left_out_long,
        "left_out_budget": len(train.items) - reached,
        "eval_prompts": len(held_out),
        "eval_left_out_long": valid.left_out_long,
        "eval_left_out_budget": len(valid.items) - len(held_out),
    }
    for what, used, long, beyond, budget in (
        ("training", reached, train.left_out_long, counts["left_out_budget"], "that the episodes do not reach"),
        ("held-out", len(held_out), valid.left_out_long, counts["eval_left_out_budget"], "beyond eval_prompts"),
    ):
        run.report.note(
            f"{used:,} {what} prompts. Left out: {long:,} over {s.max_prompt_length:,} tokens; {beyond:,} {budget}."
        )
    if rest := s.episodes % s.rollout_batch:
        run.report.note(f"Left out: the last {rest:,} episodes, which do not fill a batch of {s.rollout_batch:,}.")
    if not held_out:
        run.report.note("No held-out prompts to answer: figures of start and end come from the training prompts.")
    return train.items, held_out, counts


def prompt_batches(prompts: list[Question], size: int, seed: int) -> Iterator[list[Question]]:
    """Batches without end: every prompt once in a seeded order, then all again in another order."""
    waiting: list[Question] = []
    epoch = 0
    while True:
        while len(waiting) < size:
            waiting += data.shuffled(prompts, row_seed(seed, "prompts", epoch))
            epoch += 1
        yield waiting[:size]
        waiting = waiting[size:]


def iterate(learner: Learner, iteration: int, iterations: int, batch: list[Question]) -> dict[str, float]:
    """Sample, judge, learn and report; the iteration's figures over all ranks."""
    run, s = learner.run, learner.run.settings

    def show(part: float) -> None:
        run.report.progress("train", round((iteration + part) * len(batch)), iterations * len(batch))

    times = [time.monotonic()]
    mine, answers = answer(learner, batch, "train", iteration, lambda part: show(part / 4))
    times.append(time.monotonic())
    passes = order(learner, answers, iteration, epoch=0)
    judged = judge(learner, answers, passes)
    show(0.5)
    times.append(time.monotonic())
    learned = learn(learner, judged, iteration, passes, lambda part: show(0.5 + part / 2))
    times.append(time.monotonic())

    spent = dict(zip(("sample", "score", "update"), (b - a for a, b in pairwise(times)), strict=True))
    figures = {
        **ppo_report.outcome(run, judged),
        **learned,
        "sampler_gap": judged.sampler_gap,
        "episodes_per_second": s.rollout_batch / sum(spent.values()),
        **{f"seconds_{name}": seconds for name, seconds in spent.items()},
    }
    run.report.metrics(iteration + 1, **figures)
    ppo_report.show_answer(run, learner.tokenizer, iteration + 1, mine, judged)
    show(1)
    return figures


def evaluate(learner: Learner, step: int, held_out: list[Question]) -> tuple[dict[str, float], list[float]]:
    """The policy's outcome on the held-out prompts, drawn with the same seeds each time, and each prompt's reward.

    Both are empty without prompts.
    """
    if not held_out:
        return {}, []
    report = learner.run.report
    count = len(held_out)

    def show(part: float) -> None:
        report.progress("eval", int(part * count), count)

    show(0)
    _, answers = answer(learner, held_out, "eval", 0, lambda part: show(part / 2))
    packed = has_tree_attention(learner.models.policy)
    passes = episodes.order(answers, count, learner.run.settings.micro_tokens, seed=0, packed=packed)
    judged = judge(learner, answers, passes, exact_kl=True)
    figures = ppo_report.outcome(learner.run, judged)
    report.eval(step, **figures)
    show(1)
    rewards = [0.0] * count
    rewards[learner.run.rank :: learner.run.world] = ppo_report.final_rewards(learner.run, judged).tolist()
    return figures, all_sum(learner.run, rewards)


def answer(
    learner: Learner, batch: list[Question], purpose: str, iteration: int, show: Callable[[float], None] | None = None
) -> tuple[list[Question], list[Sampled]]:
    """This rank's share of the questions and the policy's answers, from exactly the distribution that is trained."""
    run, s = learner.run, learner.run.settings
    share = range(run.rank, len(batch), run.world)
    mine = [batch[row] for row in share]
    try:
        return mine, sample(
            learner.models.policy, [question.prompt for question in mine],
            seeds=[row_seed(s.seed, purpose, iteration, row) for row in share],
            eos_id=learner.tokenizer.eos_token_id, pad_id=learner.tokenizer.pad_token_id,
            max_new_tokens=s.response_length, temperature=s.temperature,
            on_step=show and (lambda count: show(count / len(mine))),
        )  # fmt: skip
    except FloatingPointError as error:
        raise RunError("The policy's numbers are not finite any more; use a lower learning rate.") from error


def order(learner: Learner, answers: list[Sampled], iteration: int, epoch: int) -> Passes:
    """This rank's part of every minibatch of one pass over the answers, cut into forward passes."""
    run, s = learner.run, learner.run.settings
    seed = row_seed(s.seed, "order", iteration, epoch, run.rank)
    packed = has_tree_attention(learner.models.policy)
    return episodes.order(answers, s.minibatch // run.world, s.micro_tokens, seed=seed, packed=packed)


def judge(learner: Learner, answers: list[Sampled], passes: Passes, *, exact_kl: bool = False) -> Episodes:
    """The answers as the other models see them, in the very forward passes that training will make first."""
    run = learner.run
    return episodes.judge(
        learner.models, answers, [rows for minibatch in passes for rows in minibatch],
        temperature=run.settings.temperature, recompute=run.dtype in (torch.bfloat16, torch.float16),
        exact_kl=exact_kl,
    )  # fmt: skip


def advantages(learner: Learner, judged: Episodes) -> tuple[Tensor, Tensor]:
    """Advantages, whitened over the batches of all ranks, and returns: both [B, T]."""
    run, s = learner.run, learner.run.settings
    scores = ppo_math.penalised(judged.scores, judged.ended, s.missing_eos_penalty)
    rewards = ppo_math.token_rewards(scores, judged.logprobs, judged.reference, judged.mask, s.kl_beta)
    raw, returns = ppo_math.gae(rewards, judged.values, judged.mask, s.gamma, s.gae_lambda)
    return ppo_math.whiten(raw, judged.mask, all_sum(run, ppo_math.moments(raw, judged.mask))), returns


def learn(
    learner: Learner, judged: Episodes, iteration: int, passes: Passes, show: Callable[[float], None]
) -> dict[str, float]:
    """`inner_epochs` passes over the batch, one step of policy and value model a minibatch; figures of the update."""
    run, s, tally = learner.run, learner.run.settings, ppo_report.Tally()
    aims = advantages(learner, judged)
    if not math.isfinite(sum(all_sum(run, [float(aim.sum()) for aim in aims]))):
        run.report.note(f"A score, value or log-probability of iteration {iteration + 1} is not finite.")
        check(learner, math.nan, iteration)
        return {}
    policy_lr = warmed_up(iteration, s.warmup_iterations, s.learning_rate)
    value_lr = warmed_up(iteration, s.warmup_iterations, s.value_learning_rate)
    for epoch in range(s.inner_epochs):
        for number, minibatch in enumerate(order(learner, judged.answers, iteration, epoch) if epoch else passes):
            rows = [row for part in minibatch for row in part]
            [tokens] = all_sum(run, [float(judged.mask[rows].sum())])
            for part in minibatch:
                backward(learner, judged, aims, part, tokens, tally)
            norm = learner.policy_optimizer.step(lr=policy_lr, max_norm=s.max_grad_norm)
            value_norm = learner.value_optimizer.step(lr=value_lr, max_norm=s.max_grad_norm)
            check(learner, norm + value_norm, iteration)
            tally.end_step(norm, value_norm)
            show((epoch + (number + 1) / len(passes)) / s.inner_epochs)
    return {**tally.figures(run), "learning_rate": policy_lr}


def backward(
    learner: Learner, judged: Episodes, aims: tuple[Tensor, Tensor], rows: list[int], tokens: float,
    tally: ppo_report.Tally,
) -> None:  # fmt: skip
    """Add one forward pass's gradients of both losses; `tokens` is the whole minibatch's count, over all ranks."""
    s, models, part = learner.run.settings, learner.models, [judged.answers[row] for row in rows]
    width = max(len(answer.tokens) for answer in part)
    mask, old, old_values, advantage, aim = (
        whole[rows, :width] for whole in (judged.mask, judged.logprobs, judged.values, *aims)
    )
    new, everything = episodes.answer_logprobs(models.policy, part, s.temperature)
    policy = ppo_math.policy_loss(new, old, advantage, mask, s.clip_ratio, tokens)
    policy.loss.backward()
    loss, entropy = policy.loss.detach(), float(ppo_math.entropy(everything).sum())
    del everything
    values = episodes.answer_values(models.value, part)
    value_loss, value_clipped = ppo_math.value_loss(values, old_values, aim, mask, s.value_clip, tokens)
    value_loss.backward()
    tally.add(
        ratio_off=float(policy.ratio_off), tokens=float(mask.sum()), policy_loss=float(loss) * tokens,
        value_loss=float(value_loss.detach()) * tokens, entropy=entropy,
        ratio_mean=float(policy.ratio_sum), clip_fraction=float(policy.clipped),
        value_clip_fraction=float(value_clipped),
    )  # fmt: skip


def warmed_up(iteration: int, warmup: int, peak: float) -> float:
    """The learning rate of iteration 0, 1, …: from a tenth of the peak to all of it over `warmup` (IG C.4)."""
    return peak * (0.1 + 0.9 * min(1.0, iteration / warmup)) if warmup else peak


def check(learner: Learner, norm: float, iteration: int) -> None:
    """Count a step whose gradients are not finite, which was skipped. Raises RunError at the third in a row."""
    learner.skipped += not math.isfinite(norm)
    learner.divergence.check(norm, iteration, learner.run.report)


if __name__ == "__main__":
    run_main("ppo", main)
