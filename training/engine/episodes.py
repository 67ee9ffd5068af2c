"""Episodes of PPO: answers drawn from the policy and what the four models say of them, without gradients.

One prompt, one answer, one episode. Answers are kept as the token ids that were drawn. Forward passes here and in
training read prompts and answers packed without padding where the architecture allows it (see layout.py), and only the
states in which an answer's tokens were drawn go through the unembedding.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from training.engine import heads
from training.engine.data import micro_batches
from training.engine.layout import Family, lay
from training.engine.ppo_math import length_mask, state_kl, token_logprobs
from training.engine.sampling import Sampled


@dataclass(frozen=True)
class Models:
    """The policy that learns, the frozen policy it started from, the reward model, and the value model that learns."""

    policy: PreTrainedModel
    reference: PreTrainedModel
    reward: PreTrainedModel
    value: PreTrainedModel


@dataclass(frozen=True)
class Episodes:
    """B answers of at most T tokens: `mask` and everything per token [B, T], `ended` and `scores` [B].

    `logprobs` and `reference` are log π and log π_ref of the drawn tokens, `values` the value of the state before
    each, `scores` the reward model's, as they stand. `kl` [B] is an answer's KL to the reference in nats: exact in
    each of its states in an evaluation, else k1, the sum of log π − log π_ref. `sampler_gap` is the mean difference
    between the sampler's log π and `logprobs`, in absolute nats.
    """

    answers: list[Sampled]
    mask: Tensor
    ended: Tensor
    logprobs: Tensor
    reference: Tensor
    values: Tensor
    scores: Tensor
    kl: Tensor
    sampler_gap: float


def order(
    answers: Sequence[Sampled], minibatch: int, micro_tokens: int, *, seed: int, packed: bool
) -> list[list[list[int]]]:
    """Rows of one pass over the answers: minibatches in a seeded order, each cut into forward passes by length.

    A pass has at most `micro_tokens` tokens (one answer always fits), padding counted where they are rows.
    """
    rows = list(range(len(answers)))
    random.Random(seed).shuffle(rows)  # noqa: S311
    return [
        micro_batches(
            rows[start : start + minibatch],
            micro_tokens,
            lambda row: len(answers[row].prompt + answers[row].tokens),
            padded=not packed,
        )
        for start in range(0, len(rows), minibatch)
    ]


@torch.no_grad()
def judge(
    models: Models, answers: list[Sampled], passes: Sequence[Sequence[int]], *, temperature: float, recompute: bool,
    exact_kl: bool = False,
) -> Episodes:  # fmt: skip
    """Let reference, reward and value model read the answers, in the given forward passes (lists of rows).

    With `recompute` the policy reads them too and its log-probabilities replace those of the sampler: in bf16 the
    cached loop and the training pass round differently, and PPO's first ratio would not be 1. With `exact_kl` it reads
    them for the KL over the whole vocabulary.
    """
    device = models.policy.device
    mask = _mask(answers, device)
    drawn = [logprob for answer in answers for logprob in answer.logprobs]
    sampled = _spread(torch.tensor(drawn, dtype=torch.float64, device=device), mask)
    logprobs, reference, values = sampled.clone(), torch.zeros_like(sampled), torch.zeros_like(sampled)
    scores, kl = sampled.new_zeros(len(answers)), sampled.new_zeros(len(answers))
    for rows in passes:
        part = [answers[row] for row in rows]
        width = max(len(answer.tokens) for answer in part)
        theirs, all_theirs = answer_logprobs(models.reference, part, temperature)
        reference[rows, :width] = theirs.to(logprobs.dtype)
        if recompute or exact_kl:
            own, all_own = answer_logprobs(models.policy, part, temperature)
            if recompute:
                logprobs[rows, :width] = own.to(logprobs.dtype)
            if exact_kl:
                states = state_kl(all_own, all_theirs).to(kl.dtype)
                kl[rows] = _spread(states, _mask(part, device)).sum(1)
            del all_own
        del all_theirs
        values[rows, :width] = answer_values(models.value, part).to(logprobs.dtype)
        scores[rows] = answer_scores(models.reward, part).to(logprobs.dtype)
    if not exact_kl:
        kl = (logprobs - reference).mul(mask).sum(1)
    gap = float((logprobs - sampled).abs().sum() / mask.sum())
    ended = torch.tensor([answer.finish == "eos" for answer in answers], device=device)
    return Episodes(answers, mask, ended, logprobs, reference, values, scores, kl, gap)


def answer_logprobs(policy: PreTrainedModel, answers: Sequence[Sampled], temperature: float) -> tuple[Tensor, Tensor]:
    """log π of the answers' tokens at a temperature [b, T], 0 in the padding, and log π of the vocabulary [N, V].

    N counts the answers' tokens, row after row.
    """
    layout = lay(policy, _families(answers))
    logits = policy.get_output_embeddings()(layout.hidden(policy)[layout.predictors])
    logprobs, everything = token_logprobs(logits, layout.targets, temperature)
    return _spread(logprobs, _mask(answers, logits.device)), everything


def answer_values(value: PreTrainedModel, answers: Sequence[Sampled]) -> Tensor:
    """The value [b, T] of the state before each of the answers' tokens, 0 in the padding."""
    layout = lay(value, _families(answers))
    values = heads.score(value, layout.hidden(value)[layout.predictors])
    return _spread(values, _mask(answers, values.device))


def answer_scores(reward: PreTrainedModel, answers: Sequence[Sampled]) -> Tensor:
    """The reward model's score [b] of each answer, read at its end token as in training.

    An answer that was cut off gets an end token for the reading: elsewhere the model never learned to score.
    """
    layout = lay(reward, _families(answers, end=reward.config.eos_token_id))
    return heads.score(reward, layout.hidden(reward)[layout.ends])


def _families(answers: Sequence[Sampled], end: int | None = None) -> list[Family]:
    """The answers for one forward pass; with `end` that token behind those that were cut off."""
    cut = [] if end is None else [end]
    return [(list(a.prompt), [[*a.tokens, *(cut if a.finish == "length" else [])]]) for a in answers]


def _mask(answers: Sequence[Sampled], device: torch.device) -> Tensor:
    lengths = torch.tensor([len(answer.tokens) for answer in answers], device=device)
    return length_mask(lengths, int(lengths.max()))


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
