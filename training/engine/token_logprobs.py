"""log π of drawn tokens and the entropy of their states, a few rows at a time.

Taken plainly, a log-softmax over the vocabulary keeps N × V numbers for the backward pass and its entropy reads them
twice more from memory: 13 GB for 64 answers of 1,024 tokens and 49,152 words. Here each few rows are worked on while
they are in the cache, and nothing but the logits and one number a row is kept: the backward pass computes π again.

`logprobs` is for training on given tokens: without entropy or temperature it keeps no logits of many rows either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_NUMBERS = {"cpu": 1 << 19}  # of a chunk: what stays in a core's cache
_ELSEWHERE = 1 << 27


def drawn_logprobs(logits: Tensor, tokens: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """log π of the tokens [N] and the entropy of π in nats [N], of logits [N, V]; π = softmax(logits / temperature).

    In fp32 at least. The entropy has no gradient: it is for the report.
    """
    logprobs, entropy = _Drawn.apply(logits, tokens, temperature)
    return logprobs, entropy


class _Drawn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, tokens: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        wide = torch.promote_types(logits.dtype, torch.float32)
        logprobs, entropy, normaliser = (logits.new_empty(len(tokens), dtype=wide) for _ in range(3))
        for rows in _chunks(logits):
            scaled = _scaled(logits[rows], temperature, wide)
            most = scaled.amax(-1, keepdim=True)
            weights = (scaled - most).exp_()
            total = weights.sum(-1)
            normaliser[rows] = total.log() + most[:, 0]
            logprobs[rows] = scaled.gather(-1, tokens[rows, None])[:, 0] - normaliser[rows]
            entropy[rows] = normaliser[rows] - weights.mul_(scaled).sum(-1) / total
        ctx.save_for_backward(logits, tokens, normaliser)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        """∂ log π_a / ∂ logits = (1_a − π) / temperature."""
        logits, tokens, normaliser = ctx.saved_tensors
        slope = slopes[0] / ctx.temperature
        gradient = torch.empty_like(logits)
        for rows in _chunks(logits):
            part = _scaled(logits[rows], ctx.temperature, normaliser.dtype).sub(normaliser[rows, None]).exp_()
            part.mul_(-slope[rows, None]).scatter_add_(-1, tokens[rows, None], slope[rows, None])
            gradient[rows] = part
        return gradient, None, None


def _scaled(logits: Tensor, temperature: float, dtype: torch.dtype) -> Tensor:
    wide = logits.to(dtype)
    return wide if temperature == 1 else wide / temperature


def _chunks(logits: Tensor) -> list[slice]:
    count, width = logits.shape
    rows = max(1, _NUMBERS.get(logits.device.type, _ELSEWHERE) // width)
    return [slice(start, start + rows) for start in range(0, count, rows)]
