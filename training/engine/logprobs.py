"""log π of chosen tokens over a large vocabulary, a piece at a time: the logits are the largest tensor of a pass.

`token_logprobs` is for tokens that the policy drew: it also gives the entropy and divides by a temperature.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

ROWS = 2048  # whose logits are held at a time: of 49,152 tokens .4 GB in fp32, twice that in the backward pass


def chosen_logprobs(hidden: Tensor, unembedding: nn.Module, targets: Tensor, *, rows: int = ROWS) -> Tensor:
    """log p(target) of chosen rows (N,), in fp32 at least, of hidden states (N, d) and targets (N,).

    More than `rows` are read piece by piece, and each piece's logits once more in the backward pass: a third more work
    at the unembedding for memory that does not grow with N.
    """
    if len(targets) <= rows:
        return _logprobs(hidden, unembedding, targets)
    pieces = zip(hidden.split(rows), targets.split(rows), strict=True)
    return torch.cat([checkpoint(_logprobs, h, unembedding, t, use_reentrant=False) for h, t in pieces])


def _logprobs(hidden: Tensor, unembedding: nn.Module, targets: Tensor) -> Tensor:
    logits = unembedding(hidden)
    wide = torch.promote_types(logits.dtype, torch.float32)
    return -F.cross_entropy(logits.to(wide), targets, reduction="none")
