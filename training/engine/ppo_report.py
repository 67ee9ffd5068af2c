"""What PPO says of itself: figures of an iteration, one answer to look at, and the run's start and end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from exchange.records import Message
from training.engine import ppo_math, watch
from training.engine.data import Question
from training.engine.episodes import Episodes
from training.engine.models import decode_completion
from training.engine.runtime import Run, all_sum

_KEPT = ("reward", "score", "kl", "eos_rate", "mean_length", "distinct_2")


def outcome(run: Run, judged: Episodes, beta: float) -> dict[str, float]:
    """Means over the answers of all ranks, `…_margin` 1.96 standard errors of them.

    `reward` is the score after the penalty for a missing end; `kl` is an answer's, in nats (see Episodes);
    `objective` is reward − β·kl, what PPO maximises; `distinct_2` is the share of different pairs of neighbouring
    tokens among all such pairs.
    """
    reward, reward_margin, count = estimate(run, final_rewards(run, judged))
    kl, kl_margin, _ = estimate(run, judged.kl)
    score, ended, length = (estimate(run, column)[0] for column in (judged.scores, judged.ended, judged.mask.sum(1)))
    pairs, all_pairs = _pairs_of_all_ranks(run, [answer.tokens for answer in judged.answers])
    return {
        "reward": reward, "reward_margin": reward_margin, "score": score, "kl": kl, "kl_margin": kl_margin,
        "objective": reward - beta * kl, "eos_rate": ended, "mean_length": length, "answers": count,
        "distinct_2": pairs / all_pairs if all_pairs else 1.0,
    }  # fmt: skip


def final_rewards(run: Run, judged: Episodes) -> Tensor:
    """The reward [B] of each of this rank's answers: its score after the penalty for a missing end."""
    return ppo_math.penalised(judged.scores, judged.ended, run.settings.missing_eos_penalty)


def change(before: Sequence[float], after: Sequence[float]) -> dict[str, float]:
    """How the rewards of the same prompts moved, prompt by prompt, with 1.96 standard errors of the mean.

    The margin is of the differences: how much prompts differ among themselves is not in it.
    """
    moved = torch.tensor(after, dtype=torch.float64) - torch.tensor(before, dtype=torch.float64)
    margin = 1.96 * float(moved.std()) / math.sqrt(len(moved)) if len(moved) > 1 else 0.0
    return {"reward_change": float(moved.mean()), "reward_change_margin": margin}


def estimate(run: Run, column: Tensor) -> tuple[float, float, float]:
    """Mean over the answers of all ranks, 1.96 standard errors of it, and their count; in two passes: precise."""
    values = column.double()
    count, total = all_sum(run, [float(len(values)), float(values.sum())])
    mean = total / count
    [squares] = all_sum(run, [float((values - mean).square().sum())])
    return mean, 1.96 * math.sqrt(squares / max(count - 1, 1) / count), count


def of_all_ranks(run: Run, mine: Sequence[float], count: int) -> list[float]:
    """One number a question of the whole batch, of which rank r has the questions r, r + world, …; on every rank."""
    whole = [0.0] * count
    whole[run.rank :: run.world] = mine
    return all_sum(run, whole)


def _pairs_of_all_ranks(run: Run, answers: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Different and all pairs of neighbouring tokens in the answers of all ranks."""
    found, count = watch.distinct(answers)
    if run.world == 1:
        return len(found), count
    parts: list[tuple[set[tuple[int, ...]], int]] = [(set(), 0)] * run.world
    dist.all_gather_object(parts, (found, count))
    return len(set().union(*(pairs for pairs, _ in parts))), sum(part for _, part in parts)


class Tally:
    """Sums over the tokens of an update, and what its first step looked like."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._ratio_off = 0.0
        self._ptx = 0.0
        self.steps = 0
        self.stopped = False
        self._norms = [0.0, 0.0]
        self._first: tuple[float, float] = (0.0, 0.0)

    def add(self, *, ratio_off: float, **sums: float) -> None:
        """One forward pass: sums over its tokens (`tokens` is their count) and its largest |ratio − 1|."""
        self._ratio_off = max(self._ratio_off, ratio_off)
        for name, value in sums.items():
            self._sums[name] += value

    def add_ptx(self, loss: float) -> None:
        """This rank's part of a step's mean pretraining loss a token."""
        self._ptx += loss

    def end_step(self, norm: float, value_norm: float) -> None:
        """One optimizer step with its gradient norms."""
        if self.steps == 0:
            self._first = (self._ratio_off, self._sums["clip_fraction"])
        self.steps += 1
        self._norms = [self._norms[0] + norm, self._norms[1] + value_norm]

    def figures(self, run: Run) -> dict[str, float]:
        """Means over the tokens of all ranks; largest ratios are this rank's.

        In the first step the policy is still the one that sampled: `first_ratio_off` and `first_clipped` must be 0.
        """
        names = sorted(self._sums)
        totals = dict(zip(names, all_sum(run, [self._sums[name] for name in names]), strict=True))
        tokens = totals.pop("tokens")
        pretraining = {"ptx_loss": all_sum(run, [self._ptx])[0] / self.steps} if run.settings.ptx_gamma else {}
        return {
            **{name: total / tokens for name, total in totals.items()},
            **pretraining,
            "ratio_off": self._ratio_off,
            "first_ratio_off": self._first[0],
            "first_clipped": self._first[1],
            "gradient_norm": self._norms[0] / self.steps,
            "value_gradient_norm": self._norms[1] / self.steps,
            "steps": self.steps,
            "stopped_early": float(self.stopped),
        }


def show_answer(
    run: Run, tokenizer: PreTrainedTokenizerBase, step: int, questions: Sequence[Question], judged: Episodes
) -> None:
    """The iteration's first answer as a sample line: the text with its reward (after the penalty) and its KL."""
    run.report.sample(
        step,
        prompt=shown(questions[0].messages),
        completion=decode_completion(tokenizer, list(judged.answers[0].tokens)),
        reward=float(final_rewards(run, judged)[0]),
        kl=float(judged.kl[0]),
        finish=judged.answers[0].finish,
    )


def shown(messages: Sequence[Message]) -> str:
    """A prompt as one text: the only turn as it is, several with their speakers."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in messages)


def start_and_end(
    before: dict[str, float], after: dict[str, float], history: Sequence[dict[str, float]]
) -> dict[str, float | str]:
    """The summary's …_start and …_end: held-out prompts before and after, or else the first and last quarter."""
    if before and after:
        rule = f"same {before['answers']:.0f} held-out prompts and seeds before and after; ± 1.96 standard errors"
        start, end = before, after
    else:
        quarter = max(1, len(history) // 4)
        rule = f"mean of the first and of the last {quarter} of {len(history)} iterations on training prompts"
        start, end = _mean(history[:quarter]), _mean(history[-quarter:])
    kept = (*_KEPT, "reward_margin", "kl_margin")
    sides = {"start": start, "end": end}
    figures = {f"{name}_{when}": side[name] for when, side in sides.items() for name in kept if name in side}
    return {**rounded(figures), "reward_rule": rule}


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """The figures that are finite, to six decimals: no checkpoint could be sealed with the others."""
    return {name: round(value, 6) + 0.0 for name, value in figures.items() if math.isfinite(value)}  # + 0.0: no −0


def _mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the iterations whose figure is finite: one that learned nothing for a NaN is noted and left out."""
    finite = {name: [one[name] for one in figures if math.isfinite(one.get(name, math.nan))] for name in _KEPT}
    return {name: sum(values) / len(values) for name, values in finite.items() if values}
