"""From prompts to judged answers: who is asked, what the policy draws, and what the other models say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from training.engine import data, episodes, ppo_math, ppo_report, rules, sharding
from training.engine.config import PPOSettings
from training.engine.data import Question
from training.engine.episodes import Episodes
from training.engine.errors import RunError
from training.engine.learner import Learner
from training.engine.models import decode_completion
from training.engine.passes import family_passes
from training.engine.sampling import Sampled, row_seed, sample

Passes = list[list[list[int]]]


def questions(learner: Learner, folder: Path) -> tuple[list[Question], list[Question], dict[str, int]]:
    """Training prompts, the held-out prompts of the evaluation, and for the summary how many are used and left out.

    Where a rule judges, prompts without a wanted result are left out too; it is the prompt's own, or stands behind the
    "####" of a demonstration.
    """
    run, s = learner.run, learner.run.settings
    read = {"folder": folder, "tokenizer": learner.tokenizer, "max_prompt_length": s.max_prompt_length}
    train = data.questions(splits=("train",), **read)
    valid = data.questions(splits=("valid",), **read)
    shown = data.shown_results(folder) if s.reward == "rule" else {}
    asked, held = (
        [replace(item, wanted=item.wanted or shown.get(item.id, "")) for item in found.items
         if s.reward == "model" or item.wanted or item.id in shown]
        for found in (train, valid)
    )  # fmt: skip
    if train.items and not asked:
        raise RunError(
            "reward = rule needs prompts with a wanted result, but the snapshot's training prompts have none: neither "
            'an answer of their own nor a demonstration with "####".'
        )
    if not asked:
        raise RunError(f"The snapshot has no training prompts of at most {s.max_prompt_length} tokens.")
    held_out = data.shuffled(held, s.seed)[: s.eval_prompts]
    held_out = held_out if len(held_out) >= run.world else []
    drawn = (s.episodes - s.episodes % s.rollout_batch) // s.samples_per_prompt
    reached = min(len(asked), drawn)
    counts = {
        "train_prompts": reached,
        "left_out_long": train.left_out_long,
        "left_out_budget": len(asked) - reached,
        "eval_prompts": len(held_out),
        "eval_left_out_long": valid.left_out_long,
        "eval_left_out_budget": len(held) - len(held_out),
    }
    for what, used, long, beyond, budget in (
        ("training", reached, train.left_out_long, counts["left_out_budget"], "that the episodes do not reach"),
        ("held-out", len(held_out), valid.left_out_long, counts["eval_left_out_budget"], "beyond eval_prompts"),
    ):
        run.report.note(
            f"{used:,} {what} prompts. Left out: {long:,} over {s.max_prompt_length:,} tokens; {beyond:,} {budget}."
        )
    if unwanted := len(train.items) + len(valid.items) - len(asked) - len(held):
        run.report.note(f"Left out: {unwanted:,} prompts without a wanted result, which the rule needs.")
    if rest := s.episodes % s.rollout_batch:
        run.report.note(f"Left out: the last {rest:,} episodes, which do not fill a batch of {s.rollout_batch:,}.")
    if not held_out:
        run.report.note("No held-out prompts to answer: figures of start and end come from the training prompts.")
    return asked, held_out, counts


def prompt_batches(prompts: list[Question], size: int, seed: int, *, samples: int = 1) -> Iterator[list[Question]]:
    """Batches of `size` questions without end: every prompt once in a seeded order, `samples` times each, then all
    again in another order.
    """
    waiting: list[Question] = []
    epoch = 0
    while True:
        while len(waiting) < size:
            waiting += [q for q in data.shuffled(prompts, row_seed(seed, "prompts", epoch)) for _ in range(samples)]
            epoch += 1
        yield waiting[:size]
        waiting = waiting[size:]


def answer(
    learner: Learner, batch: Sequence[Question], purpose: str, iteration: int,
    show: Callable[[float], None] | None = None,
) -> tuple[list[Question], list[Sampled]]:  # fmt: skip
    """This rank's share of the questions and the policy's answers, from exactly the distribution that is trained."""
    run, s = learner.run, learner.run.settings
    share = range(run.rank, len(batch), run.world)
    mine = [batch[row] for row in share]
    try:
        with sharding.whole(learner.models.policy):
            return mine, sample(
                learner.models.policy, [question.prompt for question in mine],
                seeds=[row_seed(s.seed, purpose, iteration, row) for row in share],
                eos_id=learner.tokenizer.eos_token_id, pad_id=learner.tokenizer.pad_token_id,
                max_new_tokens=s.response_length, temperature=s.temperature,
                on_step=show and (lambda count: show(count / len(mine))),
            )  # fmt: skip
    except FloatingPointError as error:
        raise RunError("The policy's numbers are not finite any more; use a lower learning rate.") from error


def minibatches(settings: PPOSettings, iteration: int, epoch: int) -> list[list[int]]:
    """Rows of the whole rollout batch, minibatch after minibatch of one pass over it: the same for any ranks."""
    rows = data.shuffled(range(settings.rollout_batch), row_seed(settings.seed, "order", iteration, epoch))
    return [rows[start : start + settings.minibatch] for start in range(0, len(rows), settings.minibatch)]


def order(learner: Learner, answers: list[Sampled], iteration: int, epoch: int) -> Passes:
    """This rank's part of every minibatch of one pass over the batch, cut into forward passes of its own answers.

    A minibatch may have none of a rank's answers: which answers learn together is a matter of the seed alone.
    """
    run = learner.run
    return [
        _passes(learner, answers, [row // run.world for row in rows if row % run.world == run.rank])
        for rows in minibatches(run.settings, iteration, epoch)
    ]


def judge(
    learner: Learner, asked: Sequence[Question], answers: list[Sampled], passes: Passes, *, exact_kl: bool = False,
    keep: bool = False,
) -> Episodes:  # fmt: skip
    """The answers as the other models see them, in the very forward passes that training will make first.

    With `keep` training goes on from the first of them instead of making it again, if its memory is that of one pass,
    this rank has one in the first minibatch (before a later one the weights have moved), and the policy's layers are
    not sharded: the whole weights that are read here are not those that learn.
    """
    run, models = learner.run, learner.models
    keep = keep and bool(passes[0]) and not sharding.is_sharded(models.policy)
    with sharding.whole(models.policy, models.value):
        return episodes.judge(
            models, answers, [rows for minibatch in passes for rows in minibatch],
            temperature=run.settings.temperature, recompute=run.dtype in (torch.bfloat16, torch.float16),
            exact_kl=exact_kl, scores=ruled(learner, asked, answers), keep=run.settings.micro_tokens if keep else 0,
        )  # fmt: skip


def ruled(learner: Learner, asked: Sequence[Question], answers: Sequence[Sampled]) -> Tensor | None:
    """The rule's rewards [B] of the answers; None where a reward model judges."""
    if learner.models.reward is not None:
        return None
    given = [decode_completion(learner.tokenizer, list(answer.tokens)) for answer in answers]
    found = [rules.reward(text, question.wanted) for text, question in zip(given, asked, strict=True)]
    return torch.tensor(found, dtype=torch.float64, device=learner.models.policy.device)


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
    mine, answers = answer(learner, held_out, "eval", 0, lambda part: show(part / 2))
    judged = judge(learner, mine, answers, [_one_pass(learner, answers)], exact_kl=True)
    figures = ppo_report.outcome(learner.run, judged, learner.beta)
    report.eval(step, **figures)
    show(1)
    rewards = ppo_report.final_rewards(learner.run, judged).tolist()
    return figures, ppo_report.of_all_ranks(learner.run, rewards, count)


def best_of(learner: Learner, held_out: list[Question]) -> dict[str, float]:
    """The mean reward of each held-out prompt's best answer of N of the present policy, and the KL it stands for.

    What rejection sampling reaches without any training (Stiennon et al. 2020, appendix G.3): PPO is compared with it
    at equal KL. All ranks call it.
    """
    run, n = learner.run, learner.run.settings.best_of
    if not held_out or not n:
        return {}
    rewards: list[list[float]] = []
    for number in range(n):
        mine, answers = answer(learner, held_out, f"best of {number}", 0)
        scores = ruled(learner, mine, answers)
        if scores is None:
            scores = torch.zeros(len(answers), dtype=torch.float64, device=learner.models.policy.device)
            with torch.no_grad():
                for rows in _one_pass(learner, answers):
                    scores[rows] = episodes.answer_scores(learner.models.reward, [answers[i] for i in rows]).to(scores)
        ended = torch.tensor([one.finish == "eos" for one in answers], device=scores.device)
        rewards.append(ppo_math.penalised(scores, ended, run.settings.missing_eos_penalty).tolist())
        run.report.progress("best of", number + 1, n)
    mean, margin, _ = ppo_report.estimate(run, torch.tensor(rewards, dtype=torch.float64).amax(0))
    return {"best_of": n, "best_of_reward": mean, "best_of_reward_margin": margin,
            "best_of_kl": ppo_math.best_of_kl(n)}  # fmt: skip


def _one_pass(learner: Learner, answers: list[Sampled]) -> list[list[int]]:
    """All answers, longest first, in forward passes."""
    return _passes(learner, answers, range(len(answers)))


def _passes(learner: Learner, answers: list[Sampled], rows: Iterable[int]) -> list[list[int]]:
    """Some rows of the answers, longest first, in forward passes of at most `micro_tokens` (one answer always fits).

    Padding counts where the policy cannot read packed rows.
    """
    rows = list(rows)
    families = episodes.families_of([answers[row] for row in rows])
    passes = family_passes(learner.models.policy, families, learner.run.settings.micro_tokens)
    return [[rows[place] for place in part] for part in passes]
