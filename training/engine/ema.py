"""The exponential moving average of the weights that learn (IG C.4: decay .992), which becomes the checkpoint.

After n steps it is dⁿ·w₀ + (1 − d)·Σ dⁿ⁻ᵏ·w_k: it begins at the weights that training begins with, without a
correction of its beginning. The paper does not say whether it counts optimizer steps or iterations; here it is steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from training.engine.optimizer import MasterAdamW


class Average:
    """The moving average of an optimizer's fp32 masters."""

    def __init__(self, optimizer: MasterAdamW, decay: float) -> None:
        self.optimizer, self.decay = optimizer, decay
        self.weights = [master.detach().clone() for master in optimizer.masters]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step: a ← d·a + (1 − d)·w."""
        torch._foreach_lerp_(self.weights, [master.detach() for master in self.optimizer.masters], 1 - self.decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the model has the averaged weights."""
        self.take()
        try:
            yield
        finally:
            self.take()

    def take(self) -> None:
        """Exchange the model's weights and the averaged ones; a second time takes it back."""
        for number, master in enumerate(self.optimizer.masters):
            if number in self.optimizer.shards:  # FSDP gathers from this very memory
                held = master.detach().clone()
                master.data.copy_(self.weights[number])
                self.weights[number] = held
            else:
                master.data, self.weights[number] = self.weights[number], master.data
        self.optimizer.publish()

    def tensors(self, *, shards_only: bool = False) -> dict[str, Tensor]:
        """The average by number, for the saved state."""
        shards = self.optimizer.shards
        return {str(n): weight for n, weight in enumerate(self.weights) if n in shards or not shards_only}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for number, weight in enumerate(self.weights):
            weight.copy_(tensors[str(number)])
