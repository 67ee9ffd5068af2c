"""Episodes of PPO: answers drawn from the policy and what the four models say of them, without gradients.

One prompt, one answer, one episode. Answers are kept as the token ids that were drawn. Forward passes here and in
training read prompts and answers packed without padding where the architecture allows it (see layout.py), and only the
states in which an answer's tokens were drawn go through the unembedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from training.engine import heads
from training.engine.layout import Family, lay
from training.engine.lora import without_adapters
from training.engine.ppo_math import length_mask
from training.engine.sampling import Sampled
from training.engine.token_logprobs import drawn_logprobs
from training.engine.value_head import ValueHead
from training.engine.vocabulary_kl import vocabulary_kl


@dataclass(frozen=True)
class Models:
    """The policy that learns, the frozen policy it started from, the reward model, and the value that learns.

    Without a `reference` the policy has adapters and is its own reference without them. Without a `reward` model a
    rule judges. The `value` is a model of its own or a head on the policy.
    """

    policy: PreTrainedModel
    reference: PreTrainedModel | None
    reward: PreTrainedModel | None
    value: PreTrainedModel | ValueHead

    @contextmanager
    def as_reference(self) -> Iterator[PreTrainedModel]:
        """The model that the KL is measured to, inside the block."""
        if self.reference is not None:
            yield self.reference
            return
        with without_adapters(self.policy):
            yield self.policy


@dataclass(frozen=True)
class Episodes:
    """B answers of at most T tokens: `mask` and everything per token [B, T], `ended` and `scores` [B].

    `logprobs` and `reference` are log π and log π_ref of the drawn tokens, `values` the value of the state before
    each, `scores` the reward model's or a rule's, as they stand. `kl` [B] is an answer's KL to the reference in nats:
    exact in each of its states in an evaluation, else k1, the sum of log π − log π_ref. `sampler_gap` is the mean
    difference between the sampler's log π and `logprobs`, in absolute nats. `kept` are readings, by their rows, that
    training can go on from: their graphs are still there and the weights are those that they were made with.
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
    kept: dict[tuple[int, ...], Reading] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """One forward pass over b answers of at most T tokens, N in all: log π of the tokens [b, T], the entropy of their
    states [N], and the values [b, T] where they were read too. 0 in the padding; N counts row after row. `states`
    [N, d] are the hidden states themselves.
    """

    logprobs: Tensor
    entropy: Tensor
    states: Tensor
    values: Tensor | None = None


@torch.no_grad()
def judge(
    models: Models, answers: list[Sampled], passes: Sequence[Sequence[int]], *, temperature: float, recompute: bool,
    exact_kl: bool = False, scores: Tensor | None = None, keep: int = 0,
) -> Episodes:  # fmt: skip
    """Let reference, reward and value model read the answers, in the given forward passes (lists of rows).

    With `recompute` the policy reads them too and its log-probabilities replace those of the sampler: in bf16 the
    cached loop and the training pass round differently, and PPO's first ratio would not be 1. So it does where the
    value is a head on it. With `exact_kl` it reads them for the KL over the whole vocabulary. `scores` [B] are those
    of a rule; without them the reward model scores. The first pass is `kept` for training, which makes the very same
    one first, where the graphs of all models that learn hold at most `keep` tokens together.
    """
    device = models.policy.device
    mask = _mask(answers, device)
    drawn = [logprob for answer in answers for logprob in answer.logprobs]
    sampled = _spread(torch.tensor(drawn, dtype=torch.float64, device=device), mask)
    logprobs, reference, values = sampled.clone(), torch.zeros_like(sampled), torch.zeros_like(sampled)
    found, kl = sampled.new_zeros(len(answers)), sampled.new_zeros(len(answers))
    trunk = isinstance(models.value, ValueHead)
    kept: dict[tuple[int, ...], Reading] = {}
    for number, rows in enumerate(passes):
        part = [answers[row] for row in rows]
        width = max(len(answer.tokens) for answer in part)
        with models.as_reference() as reader:
            theirs, their_unembedding = read(reader, part, temperature), reader.get_output_embeddings()
        reference[rows, :width] = theirs.logprobs.to(logprobs.dtype)
        if scores is None:
            found[rows] = answer_scores(models.reward, part).to(logprobs.dtype)
        tokens = sum(len(answer.prompt) + len(answer.tokens) for answer in part) * (1 if trunk else 2)
        goes_on = number == 0 and tokens <= keep
        if recompute or exact_kl or trunk or goes_on:
            with torch.set_grad_enabled(goes_on):
                head = models.value if isinstance(models.value, ValueHead) else None
                own = read(models.policy, part, temperature, head)
                if head is None:
                    own = replace(own, values=answer_values(models.value, part))
            if goes_on:
                kept[tuple(rows)] = own
            if recompute or trunk:
                logprobs[rows, :width] = own.logprobs.to(logprobs.dtype)
            if exact_kl:
                unembedding = models.policy.get_output_embeddings()
                nats = vocabulary_kl(own.states, unembedding, theirs.states, their_unembedding, temperature)
                kl[rows] = _spread(nats.to(kl.dtype), _mask(part, device)).sum(1)
            read_values = own.values
            del own
        else:
            read_values = answer_values(models.value, part)
        values[rows, :width] = read_values.to(logprobs.dtype)
        del theirs
    if not exact_kl:
        kl = (logprobs - reference).mul(mask).sum(1)
    gap = float((logprobs - sampled).abs().sum() / mask.sum())
    ended = torch.tensor([answer.finish == "eos" for answer in answers], device=device)
    graded = found if scores is None else scores.to(found)
    return Episodes(answers, mask, ended, logprobs, reference, values, graded, kl, gap, kept)


def read(
    policy: PreTrainedModel, answers: Sequence[Sampled], temperature: float, head: ValueHead | None = None
) -> Reading:
    """One forward pass of a policy over the answers, with the values of a head on it."""
    states, tokens = answer_states(policy, answers)
    logprobs, entropy = drawn_logprobs(policy.get_output_embeddings()(states), tokens, temperature)
    mask = _mask(answers, states.device)
    values = None if head is None else _spread(head(states), mask)
    return Reading(_spread(logprobs, mask), entropy, states, values)


def answer_states(policy: PreTrainedModel, answers: Sequence[Sampled]) -> tuple[Tensor, Tensor]:
    """The last hidden states [N, d] in which the answers' tokens were drawn, row after row, and those tokens [N]."""
    layout = lay(policy, families_of(answers))
    return layout.hidden(policy)[layout.predictors], layout.targets


def answer_values(value: PreTrainedModel, answers: Sequence[Sampled]) -> Tensor:
    """The value [b, T] of the state before each of the answers' tokens, 0 in the padding, by a model of its own."""
    layout = lay(value, families_of(answers))
    values = heads.score(value, layout.hidden(value)[layout.predictors])
    return _spread(values, _mask(answers, values.device))


def answer_scores(reward: PreTrainedModel, answers: Sequence[Sampled]) -> Tensor:
    """The reward model's score [b] of each answer, read at its end token as in training.

    An answer that was cut off gets an end token for the reading: elsewhere the model never learned to score.
    """
    layout = lay(reward, families_of(answers, end=reward.config.eos_token_id))
    return heads.score(reward, layout.hidden(reward)[layout.ends])


def families_of(answers: Sequence[Sampled], end: int | None = None) -> list[Family]:
    """The answers for one forward pass; with `end` that token behind those that were cut off."""
    cut = [] if end is None else [end]
    return [(list(a.prompt), [[*a.tokens, *(cut if a.finish == "length" else [])]]) for a in answers]


def _mask(answers: Sequence[Sampled], device: torch.device) -> Tensor:
    lengths = torch.tensor([len(answer.tokens) for answer in answers], device=device)
    return length_mask(lengths, int(lengths.max()))


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    return values.new_zeros(mask.shape).masked_scatter(mask, values)
