"""Sampling from a causal language model: one batched loop over a preallocated key/value cache.

What it keeps that a plain `generate` does not:

- The tokens that were drawn and their log-probabilities come back as they were drawn. Text is never tokenised again.
- Each row has its own seed, and all of its random numbers follow from it, so an answer depends neither on the other
  rows of its batch nor on the batch size (up to rounding in the model's own arithmetic).
- Prompts are padded on the left with positions counted from the mask; equal prompts are read once and shared out.
- A row that has ended is removed from the batch at once: the last live row moves into its place, one row's copy.
- At temperature T and top_p = 1 the distribution drawn from is softmax(logits / T), nothing else: no top-k, no minimum
  length, no repetition rule. That is the distribution PPO scores (Huang et al. 2024, 2403.17031, details 3 and 6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel

from training.engine.errors import RunError
from training.engine.kv_cache import close_gaps, reserved_cache
from training.engine.packing import packed_weights

_BLOCK = 256


@dataclass(frozen=True)
class Sampled:
    """One answer: the prompt's token ids, the drawn token ids (the end token included), log π of each drawn token
    under the distribution drawn from, in nats, and how it ended: "eos" or "length".
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: str


def row_seed(*key: int | str) -> int:
    """A 63-bit seed from any key, such as (run seed, iteration, row): neighbouring keys give unrelated streams."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@torch.no_grad()
def sample(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    seeds: Sequence[int],
    eos_id: int,
    pad_id: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    top_k: int = 0,
    batch_rows: int = 64,
    on_step: Callable[[float], None] | None = None,
) -> list[Sampled]:
    """Draw one answer for each row of `prompts` (non-empty token id lists); answers come in the order of the prompts.

    `seeds` has one seed a row. `temperature` 0 takes the likeliest token. `top_p` < 1 draws from the smallest set of
    tokens whose probability reaches it, `top_k` > 0 from the k likeliest: for serving only, PPO's rollouts must leave
    them at 1 and 0. Rows are batched by
    prompt length, at most `batch_rows` together. `on_step` is told how many answers there are so far, a row that is
    being drawn as the part of `max_new_tokens` that it has.
    Raises ValueError for an empty prompt or with dropout on (`model.eval()` turns it off), FloatingPointError when the
    model answers with numbers that are not finite.
    """
    if len(seeds) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts need {len(prompts)} seeds, not {len(seeds)}")
    if any(len(prompt) == 0 for prompt in prompts):
        raise ValueError("a prompt needs at least one token")
    if model.training:
        raise ValueError("the model must be in eval mode: with dropout on, the scored distribution is another one")
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: dict[int, Sampled] = {}
    with packed_weights(model, min(batch_rows, len(prompts))):
        for start in range(0, len(order), batch_rows):
            chosen = order[start : start + batch_rows]
            draws = torch.stack([_draws(seeds[i], max_new_tokens) for i in chosen])
            batch = _sample_batch(
                model, [tuple(prompts[i]) for i in chosen], draws, eos_id=eos_id, pad_id=pad_id,
                temperature=temperature, top_p=top_p, top_k=top_k,
                on_step=on_step and (lambda part, done=start: on_step(done + part)),
            )  # fmt: skip
            answers.update(zip(chosen, batch, strict=True))
    return [answers[i] for i in range(len(prompts))]


def check_room(config: PretrainedConfig, prompt: int, answer: int, *, end: int = 0, name: str = "the model") -> None:
    """Raise RunError when prompts and answers of these lengths, in tokens, do not fit into what the model can read.

    `end` is 1 for a model that reads an end token behind an answer that was cut at its full length.
    """
    room = getattr(config.get_text_config(), "max_position_embeddings", None)
    if room is not None and prompt + answer + end > room:
        what = ", response_length and the end token" if end else " and response_length"
        total = prompt + answer + end
        raise RunError(f"max_prompt_length{what} are {total:,} tokens together, but {name} reads at most {room:,}.")


def choose(
    logits: Tensor, uniform: Tensor, *, temperature: float, top_p: float = 1.0, top_k: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw a token a row by inverting the cumulative distribution: (token [n], log-probability [n]).

    `logits` [n, V]; `uniform` [n] in [0, 1), float64. One uniform number decides a token, so that a row's draws do not
    depend on how many rows are drawn together. The log-probability is of the distribution drawn from (after top_k,
    then top_p of what that left); at temperature 0 it is of softmax(logits). Raises FloatingPointError where a row's
    logits have a NaN or no maximum.
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if not torch.isfinite(logits.amax(-1)).all():
        raise FloatingPointError("the model's logits are not finite")
    if temperature == 0:
        token = logits.argmax(-1)
        return token, logits.log_softmax(-1).gather(-1, token[:, None])[:, 0]
    probability = (logits / temperature).softmax(-1)
    if top_p < 1 or 0 < top_k < probability.shape[-1]:
        ordered, index = probability.sort(dim=-1, descending=True, stable=True)
        if top_k:
            ordered[:, top_k:] = 0
        sums = ordered.cumsum(-1)
        kept = sums - ordered < top_p * sums[:, -1:]
        probability = torch.zeros_like(probability).scatter(-1, index, ordered * kept)
    token = _invert(probability, uniform)
    return token, (probability.gather(-1, token[:, None])[:, 0] / probability.sum(-1)).log()


def _invert(weight: Tensor, uniform: Tensor) -> Tensor:
    """The index where the cumulative sum of `weight` [n, V] passes `uniform` [n] of its total: [n].

    In two stages, blocks and then inside one block, as a float64 sum over a whole vocabulary costs a tenth of a step.
    """
    blocks = torch.nn.functional.pad(weight, (0, -weight.shape[-1] % _BLOCK)).unflatten(-1, (-1, _BLOCK))
    edges = blocks.sum(-1).double().cumsum(-1)
    block = _first_above(edges, uniform * edges[:, -1])
    before = torch.nn.functional.pad(edges, (1, 0)).gather(-1, block[:, None])[:, 0]
    inside = blocks[torch.arange(len(blocks), device=blocks.device), block].double().cumsum(-1)
    return block * _BLOCK + _first_above(inside, uniform * edges[:, -1] - before)


def _first_above(cumulative: Tensor, target: Tensor) -> Tensor:
    # Rounding must not lift a target to the last sum, above which only entries of weight 0 are left.
    last = cumulative[:, -1]
    target = torch.minimum(target, torch.nextafter(last, torch.zeros_like(last)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]


def left_pad(prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and mask [n, P], padded on the left, so that every row's last token stands in the last column.

    On a CPU there is always one column of padding: without a mask, transformers hands grouped-query decoding to a
    kernel that is four times slower there than the masked one.
    """
    width = max(len(prompt) for prompt in prompts) + (device.type == "cpu")
    ids = torch.tensor([[pad_id] * (width - len(p)) + list(p) for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    return ids, mask


def next_logits(model: PreTrainedModel, ids: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
    """Logits [n, V] behind the last of the new `ids` [n, t]; `mask` [n, T] is of all columns, the cached ones too."""
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
        logits_to_keep=1,
    )  # fmt: skip
    return out.logits[:, -1]


def _draws(seed: int, count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _sample_batch(
    model: PreTrainedModel, prompts: list[tuple[int, ...]], draws: Tensor, *, eos_id: int, pad_id: int,
    temperature: float, top_p: float, top_k: int, on_step: Callable[[float], None] | None,
) -> list[Sampled]:  # fmt: skip
    device, (count, steps) = model.device, draws.shape
    different = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
    ids, mask = left_pad(list(different), pad_id, device)
    cache = reserved_cache(model, ids.shape[1] + steps)
    logits = next_logits(model, ids, mask, cache)
    if len(different) < count:
        shared = torch.tensor([different[prompt] for prompt in prompts], device=device)
        cache.batch_select_indices(shared)
        logits, mask = logits[shared], mask[shared]

    draws = draws.to(device)
    rows = torch.arange(count, device=device)
    tokens = torch.full((count, steps), pad_id, device=device)
    logprobs = torch.zeros(count, steps, dtype=torch.float64, device=device)
    lengths = torch.zeros(count, dtype=torch.long, device=device)
    for step in range(steps):
        token, logprob = choose(logits, draws[rows, step], temperature=temperature, top_p=top_p, top_k=top_k)
        tokens[rows, step], logprobs[rows, step], lengths[rows] = token, logprob.double(), step + 1
        live = token != eos_id
        if on_step is not None:
            on_step(count - int(live.sum()) * (1 - (step + 1) / steps))
        if step + 1 == steps or not live.any():
            break
        if not live.all():
            place = close_gaps(cache, live)
            rows, token, mask = rows[place], token[place], mask[place]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        logits = next_logits(model, token[:, None], mask, cache)

    return [
        Sampled(prompt, tuple(row[:n]), tuple(logprob[:n]), "eos" if row[n - 1] == eos_id else "length")
        for prompt, row, logprob, n in zip(prompts, tokens.tolist(), logprobs.tolist(), lengths.tolist(), strict=True)
    ]
