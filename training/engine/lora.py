"""Low-rank adapters: a frozen base, and small matrices beside each of its linear layers that learn (Hu et al. 2021,
2106.09685, section 4.1: h = W x + α/r · B A x, A drawn at random, B zero, so that training begins at the base).

The layers are peft's own, put into the model in place, so the model keeps its class and everything that works with a
plain model goes on working. A checkpoint holds no adapters: `merge` folds them in first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from training.engine import heads


def add_lora(model: PreTrainedModel, rank: int, alpha: float, seed: int) -> None:
    """Freeze the model and put adapters of a rank, scaled by alpha / rank, beside all linear layers of its body.

    Unembedding and embeddings stay frozen and bare; a reward model's new scalar head goes on learning. The random
    matrices depend on `seed` alone. Adapters have the precision that the model has now.
    """
    model.requires_grad_(False)
    body = heads.body(model)
    layers = {name: module for name, module in body.named_modules() if isinstance(module, torch.nn.Linear | Conv1D)}
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=list(layers), lora_dropout=0.0, bias="none",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in layers.values()),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, body)
    if isinstance(head := getattr(model, "score", None), torch.nn.Module):
        head.requires_grad_(True)


@contextmanager
def without_adapters(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block the model is its frozen base, bitwise."""
    layers = _layers(model)
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@torch.no_grad()
def merge(model: PreTrainedModel) -> None:
    """Fold the adapters into their layers, W ← W + α/r · B A, and leave a plain model, as it was before `add_lora`.

    In the precision of the weights: raise those to fp32 first (see MasterAdamW.restore).
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoraLayer):
                child.merge()
                setattr(parent, name, child.get_base_layer())
    body = heads.body(model)
    if hasattr(body, "peft_config"):
        del body.peft_config
    model.requires_grad_(True)


def _layers(model: PreTrainedModel) -> list[LoraLayer]:
    return [module for module in model.modules() if isinstance(module, LoraLayer)]
