"""AdamW that keeps fp32 masters of low-precision parameters, and sums gradients in fp32 over passes and ranks.

bf16 weights with fp32 masters forward and backward without recasting each weight at each step (as autocast does),
and lose no small update. A parameter that is fp32 (or fp64) already is its own master.

A master that starts from a rounded weight lies on the bf16 grid, and updates below half a step of the grid never
reach the forward pass, all of them together. `lower` casts fp32 weights after their masters were taken: off the grid,
a small update moves the right share of the weights across.

Scripts divide each loss by the step's one global denominator *before* backward, so gradients only ever add up:
over micro-batches in the masters' `.grad`, over ranks by one all-reduce a tensor in `step`.

Of a sharded layer (see sharding.py) the parameter is this rank's part in fp32: that part is the master, FSDP rounds
what it gathers and has summed the gradient over ranks already, and nothing here is larger than the part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

from training.engine.errors import RunError
from training.engine.reporter import Reporter

_LOW = (torch.bfloat16, torch.float16)


class MasterAdamW:
    """AdamW (β .9/.95, IG C.1) over a model's parameters; weight decay on matrices only.

    Adam's ε is PyTorch's, 1e-8: IG states none, and Huang et al. 2024 take 1e-5 for PPO.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        lower: nn.Module | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`lower`, a part of the model in fp32, is cast to `dtype` (if that is bf16 or fp16) and keeps its masters.

        Parameters that are frozen are cast without a master: they have no gradient, no moments and no place in the
        state.
        """
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.shards = {number for number, p in enumerate(self.parameters) if isinstance(p, DTensor)}
        lowered = list(lower.parameters()) if lower is not None and dtype in _LOW else []
        cast = {id(p): p for p in lowered if not isinstance(p, DTensor)}
        self.masters = [_master(p, apart=p.dtype in _LOW or id(p) in cast) for p in self.parameters]
        for parameter in cast.values():
            parameter.data = parameter.data.to(dtype)
        self._frozen = [parameter for parameter in cast.values() if not parameter.requires_grad]
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(_adder(master)) for parameter, master in self._apart()
        ]
        groups = [
            {"params": [m for m in self.masters if m.dim() >= 2], "weight_decay": weight_decay},
            {"params": [m for m in self.masters if m.dim() < 2], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        self.inner = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps, fused=True)

    def step(self, *, lr: float, max_norm: float = math.inf) -> float:
        """One update with the gradients summed over ranks, scaled down to `max_norm`; returns their L2 norm before.

        A norm that is not finite leaves the weights as they are. The gradients are cleared either way.
        """
        gradients = self._gathered()
        norm = self._norm(gradients)
        if math.isfinite(norm):
            if norm > max_norm:
                torch._foreach_mul_(gradients, max_norm / norm)
            for group in self.inner.param_groups:
                group["lr"] = lr
            self.inner.step()
            self.publish()
        self.clear()
        return norm

    def clear(self) -> None:
        """Forget all gradients."""
        for parameter, master in self._pairs():
            parameter.grad = master.grad = None

    def restore(self) -> None:
        """Make every parameter fp32 again with its master's value and free the optimizer: the end of training.

        A frozen parameter keeps the value that it was trained with, rounded as it is. The layers of a sharded model
        stay sharded (see sharding.dissolve).
        """
        for hook in self._hooks:
            hook.remove()
        for parameter in self.parameters:
            parameter.grad = None
        for parameter, master in self._apart():
            parameter.data = master.data
        for parameter in self._frozen:
            parameter.data = parameter.data.float()
        self.inner.state.clear()

    def tensors(self, *, shards_only: bool = False) -> dict[str, torch.Tensor]:
        """Masters and Adam's moments and step counts, by number: the state of optimizer and weights together."""
        found = {}
        for number, master in enumerate(self.masters):
            if number in self.shards or not shards_only:
                found[f"{number}.master"] = master.data
                found |= {f"{number}.{name}": value for name, value in self.inner.state.get(master, {}).items()}
        return found

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take back what `tensors` gave; the parameters follow their masters."""
        for number, master in enumerate(self.masters):
            master.data.copy_(tensors[f"{number}.master"])
            names = [name for name in ("step", "exp_avg", "exp_avg_sq") if f"{number}.{name}" in tensors]
            if names:
                self.inner.state[master] = {name: tensors[f"{number}.{name}"].to(master.device) for name in names}
        self.publish()

    def _gathered(self) -> list[torch.Tensor]:
        for number, (parameter, master) in enumerate(self._pairs()):
            if number in self.shards and parameter.grad is not None:
                master.grad = parameter.grad.to_local()
            if master.grad is None:
                master.grad = torch.zeros_like(master)
            if dist.is_initialized() and number not in self.shards:
                dist.all_reduce(master.grad)
        return [master.grad for master in self.masters]

    def _norm(self, gradients: Sequence[torch.Tensor]) -> float:
        """The L2 norm of the whole model's gradient: shards of all ranks, and what each of them holds whole once."""
        norm = torch.nn.utils.get_total_norm([g for number, g in enumerate(gradients) if number not in self.shards])
        if not self.shards:
            return float(norm)
        squares = torch.nn.utils.get_total_norm([gradients[number] for number in self.shards]).double().square()
        dist.all_reduce(squares)
        return math.sqrt(float(squares) + float(norm) ** 2)

    @torch.no_grad()
    def publish(self) -> None:
        """Give the parameters their masters' values, rounded to their own precision."""
        if pairs := self._apart():
            torch._foreach_copy_([p for p, _ in pairs], [m for _, m in pairs])

    def _pairs(self) -> list[tuple[nn.Parameter, torch.Tensor]]:
        return list(zip(self.parameters, self.masters, strict=True))

    def _apart(self) -> list[tuple[nn.Parameter, torch.Tensor]]:
        """Parameters that have a master of other memory."""
        return [(p, m) for number, (p, m) in enumerate(self._pairs()) if p is not m and number not in self.shards]


def _master(parameter: nn.Parameter, *, apart: bool) -> torch.Tensor:
    if isinstance(parameter, DTensor):
        return parameter.detach().to_local()  # the very memory that FSDP gathers from
    return parameter.detach().float() if apart else parameter


def _adder(master: torch.Tensor):
    """A hook that moves a parameter's fresh gradient into its master's fp32 sum."""

    def move(parameter: nn.Parameter) -> None:
        if master.grad is None:
            master.grad = parameter.grad.float()
        else:
            master.grad.add_(parameter.grad)
        parameter.grad = None

    return move


def cosine(step: int, total: int, peak: float, *, floor: float = 0.1, warmup: int = 0) -> float:
    """The learning rate of step 0 … total − 1: linear warm-up, then half a cosine from `peak` to `floor`·`peak`.

    The last step has exactly the floor (IG C.1 and C.2: "decay to 10% of the original learning rate"), unless it is
    the only one after the warm-up, which has the peak.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    span = max(1, total - warmup - 1)
    part = min(1.0, (step - warmup) / span)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * part)))


class Divergence:
    """Watches gradient norms: a step whose norm is not finite was skipped; three in a row end the run."""

    limit = 3

    def __init__(self, in_a_row: int = 0, skipped: int = 0) -> None:
        self.in_a_row, self.skipped = in_a_row, skipped

    @property
    def progress(self) -> dict[str, Any]:
        """What a saved state keeps of it."""
        return {"in_a_row": self.in_a_row, "skipped": self.skipped}

    def check(
        self, norm: float, step: str, report: Reporter, examples: Sequence[str] = (), *, are: str = "Not finite"
    ) -> None:
        """Note a skipped `step`, named as a sentence begins ("Step 3"), and the examples that `are` to blame for it.

        Raises RunError at the third in a row.
        """
        if math.isfinite(norm):
            self.in_a_row = 0
            return
        self.in_a_row += 1
        self.skipped += 1
        named = f" {are}: {listed(examples)}." if examples else ""
        report.note(f"{step} was skipped: its gradient is not finite.{named}")
        if self.in_a_row >= self.limit:
            raise RunError(
                f"The run diverged: the gradients of {self.limit} steps in a row, up to {step[0].lower()}{step[1:]}, "
                f"were not finite; a smaller learning rate may help.{named}"
            )

    def end(self, steps: int) -> None:
        """The end of a run of so many steps. Raises RunError where every one was skipped: nothing was learned."""
        if self.skipped >= steps:
            raise RunError(
                f"The run learned nothing: the gradient of each of its steps, {steps:,} in all, was not finite; its "
                "notes say of which examples. Check the model that it starts from, or lower the learning rate."
            )


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
