"""Weights as the CPU's kernels read them, for as long as a model only answers.

Products with few rows are most of what sampling on a CPU costs, and most of that is reading weights that lie in
another order than the kernel wants them. oneDNN's own layout, made once before the loop, makes those products 1.3 to
1.7 times as fast (see docs/decisions/124). It costs a second copy of the weights while it lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

_LEAST = 64  # width of a matrix that is worth it; adapters are thinner


@contextmanager
def packed_weights(model: nn.Module, rows: int) -> Iterator[None]:
    """Inside, the model's linear layers multiply with packed copies of their weights, as they are on entry.

    `rows` is the usual number of rows of a product: the layout is chosen for it, any other number works too. Nothing
    changes on other devices, in float64, or for layers that are no plain `nn.Linear`. No gradients.
    """
    with ExitStack() as stack:
        for module in model.modules():
            if type(module) is nn.Linear and "forward" not in vars(module) and _is_packable(module.weight):
                module.forward = _forward(module, rows)  # type: ignore[method-assign]
                stack.callback(delattr, module, "forward")
        yield


def _forward(module: nn.Linear, rows: int) -> Callable[[Tensor], Tensor]:
    weight, bias = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach(), rows), module.bias
    return lambda input: torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")


def _is_packable(weight: Tensor) -> bool:
    if weight.device.type != "cpu" or min(weight.shape) < _LEAST or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype is torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype is torch.float32
