"""Transformer layers shared out over the ranks (FSDP2, `torch.distributed.fsdp.fully_shard`), as `sharding = layers`.

Every rank keeps its part of each layer in fp32, gathers a layer in the run's precision when a pass comes to it, and
drops it behind; gradients are summed over ranks in fp32 as they arise, so that a rank has its part of them alone.
Embeddings, unembedding and heads stay whole on every rank: body and unembedding are called apart, so that no logit of
a prompt is computed, and FSDP gathers only inside the module that it wraps.

A gathering is a matter of all ranks, so in training all must make the same number of passes: `even_out` makes up what
a rank lacks. Where passes are no training, and sampling above all, in which each rank has as many as its answers are
long, the model is `whole` for as long as that lasts, on every rank. See docs/decisions/144.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from training.engine import heads
from training.engine.errors import RunError
from training.engine.runtime import Run


@dataclass(frozen=True)
class _Plain:
    """A sharded model's body as it was: `body` has the same whole parameters, but no weights in its layers."""

    body: nn.Module
    dtype: torch.dtype


_plain: WeakKeyDictionary[PreTrainedModel, _Plain] = WeakKeyDictionary()


def shard(run: Run, model: PreTrainedModel) -> None:
    """Share out the layers of a model in fp32, before its optimizer is made, if the run's settings say so.

    Afterwards `model.parameters()` has DTensors for the layers. Dropouts must have been set. Raises RunError for an
    architecture whose layers cannot be told.
    """
    if run.settings.sharding == "none":
        return
    if run.world == 1:
        run.report.note("sharding = layers needs two processes at least; this run has one, so its model stays whole.")
        return
    body = heads.body(model)
    layers = [module for module in body.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise RunError("The layers of this architecture are not known, so set sharding to none.")
    inside = {parameter for layer in layers for parameter in layer.parameters()}
    # What the copy shares with the body: its configuration and the parameters that stay whole.
    known: dict[int, object] = {id(body.config): body.config}
    for parameter in body.parameters():
        known[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), False) if parameter in inside else parameter
    _plain[model] = _Plain(copy.deepcopy(body, known), run.dtype)
    mesh = init_device_mesh(run.device.type, (run.world,))
    policy = MixedPrecisionPolicy(param_dtype=run.dtype, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
        # Losses carry the step's one denominator, so gradients are summed; gloo knows no other way to say so.
        layer.set_gradient_divide_factor(1.0)
        layer.set_force_sum_reduction_for_comms(True)
    # Nothing of the body itself: as their root it lets layers gather ahead of one another.
    fully_shard(body, mesh=mesh, ignored_params={p for p in body.parameters() if not isinstance(p, DTensor)})


def is_sharded(model: nn.Module) -> bool:
    """Whether the model's layers are shared out and their passes a matter of all ranks."""
    return isinstance(model, PreTrainedModel) and isinstance(heads.body(model), FSDPModule)


@contextmanager
def whole(*models: nn.Module) -> Iterator[None]:
    """Inside the block the models are plain ones with all of their present weights, in the precision of training.

    For passes without gradients, as many as each rank likes. All ranks enter it together. It costs every rank the
    memory of whole models for that long. Models that are not sharded are left as they are.
    """
    sharded = [model for model in models if isinstance(model, PreTrainedModel) and is_sharded(model)]
    bodies = [heads.body(model) for model in sharded]
    for model in sharded:
        _gather(model, _plain[model].dtype)
    try:
        yield
    finally:
        for model, body in zip(sharded, bodies, strict=True):
            setattr(model, model.base_model_prefix, body)
            _empty(_plain[model].body, body)


def dissolve(model: PreTrainedModel) -> None:
    """Make the model a plain one for good, with whole weights in fp32 on every rank: the end of training."""
    if is_sharded(model):
        _gather(model, torch.float32)
        _plain.pop(model).body.requires_grad_(True)


def even_out(models: Sequence[nn.Module], made: int, most: int) -> None:
    """Make up training passes, of each sharded model in turn, up to `most` where this rank has `made`; they add 0."""
    for _ in range(most - made):
        for model in models:
            if isinstance(model, PreTrainedModel) and is_sharded(model):
                ids = torch.tensor([[model.config.eos_token_id]], device=model.device)
                (0.0 * heads.body(model)(input_ids=ids).last_hidden_state.sum()).backward()


@torch.no_grad()
def _gather(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Put the plain body in the place of the sharded one, its layers' weights gathered in `dtype`."""
    sharded, plain = heads.body(model), _plain[model].body
    for name, parameter in sharded.named_parameters():
        if isinstance(parameter, DTensor):
            _set(plain, name, nn.Parameter(parameter.to(dtype).full_tensor(), False))
    plain.train(sharded.training)
    setattr(model, model.base_model_prefix, plain)


def _empty(plain: nn.Module, sharded: nn.Module) -> None:
    """Forget the weights that `_gather` gave."""
    for name, parameter in sharded.named_parameters():
        if isinstance(parameter, DTensor):
            _set(plain, name, nn.Parameter(torch.empty(parameter.shape, device="meta"), False))


def _set(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    owner, _, last = name.rpartition(".")
    setattr(module.get_submodule(owner), last, parameter)
