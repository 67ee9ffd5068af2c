"""The weights of the best evaluation so far: the highest held-out reward at a KL of at most a bound.

The run's first evaluation counts too: its KL is 0, so there is always one within the bound, unless its numbers are not
finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from training.engine.optimizer import MasterAdamW


class Best:
    """Copies of an optimizer's fp32 masters, in the processor's memory, and what their evaluation said."""

    def __init__(self, optimizer: MasterAdamW, max_kl: float, found: dict[str, Any] | None = None) -> None:
        """`max_kl` 0 is no bound; `found` is what was kept before the run was killed, its weights come by `load`."""
        self.optimizer, self.max_kl, self.found = optimizer, max_kl, found
        self.weights: list[Tensor] = []

    def offer(self, step: int, figures: dict[str, float], rewards: list[float]) -> bool:
        """Keep the present weights if they are the best; an equal reward keeps the earlier ones. Says if it did.

        Never those of a reward that is not finite, nor, where there is a bound, of a KL that is not.
        """
        allowed = math.isfinite(figures["reward"]) and (not self.max_kl or figures["kl"] <= self.max_kl)
        if not allowed or (self.found is not None and not figures["reward"] > self.found["figures"]["reward"]):
            return False
        self.found = {"step": step, "figures": figures, "rewards": rewards}
        self.weights = [master.detach().to("cpu", copy=True) for master in self.optimizer.masters]
        return True

    @torch.no_grad()
    def restore(self) -> None:
        """Give the model the best weights."""
        for master, weight in zip(self.optimizer.masters, self.weights, strict=True):
            master.data.copy_(weight)
        self.optimizer.publish()

    def tensors(self, *, shards_only: bool = False) -> dict[str, Tensor]:
        """The best weights by number, for the saved state."""
        shards = self.optimizer.shards
        return {str(n): weight for n, weight in enumerate(self.weights) if n in shards or not shards_only}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        self.weights = [tensors[str(number)] for number in range(len(tensors))]
