"""The reward model's scalar head: a linear map from the last hidden state to one score, always computed in fp32.

The model is transformers' own `…ForSequenceClassification` with one label, whose head has no bias. The bias that sets
demonstrations to a mean of 0 therefore lives in the configuration as `reward_bias`; see docs/decisions.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


def body(model: PreTrainedModel) -> torch.nn.Module:
    """The transformer below the head (for a causal model: without the unembedding)."""
    return getattr(model, model.base_model_prefix)


def init_head(model: PreTrainedModel, seed: int) -> None:
    """Draw the head from N(0, 1/√(d+1)) — the standard deviation — and set the bias to 0 (Stiennon et al. 2020)."""
    weight = model.score.weight
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64) / (weight.shape[1] + 1) ** 0.5
    with torch.no_grad():
        weight.copy_(drawn)
    model.config.reward_bias = 0.0


def score(model: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """Scores (…) of hidden states (…, d): w·h + bias, in fp32 at least."""
    weight = model.score.weight
    wide = torch.promote_types(hidden.dtype, torch.float32)
    return (hidden.to(wide) @ weight.to(wide).T).squeeze(-1) + getattr(model.config, "reward_bias", 0.0)
