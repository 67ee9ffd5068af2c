"""The value on a shared trunk: a linear map on the policy's own last hidden state, so one forward pass serves both.

It begins at 0 in every state, as in Ziegler et al. 2019 (Huang et al. 2024 do the same): the policy's states are not
those of the reward model, whose head would read noise there. It is no part of the checkpoint, which stays a plain
language model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ValueHead(nn.Module):
    """V = w·h + b, in fp32 at least."""

    def __init__(self, width: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, width, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))

    def forward(self, hidden: Tensor) -> Tensor:
        """Values (…) of hidden states (…, d)."""
        values: Tensor = (hidden.to(self.weight.dtype) @ self.weight.T).squeeze(-1) + self.bias
        return values
