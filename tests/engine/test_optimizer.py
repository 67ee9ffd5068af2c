"""AdamW with fp32 masters, the learning rate's table, and what happens to gradients that are not finite."""

import json
import math

import pytest
import torch

from training.engine.errors import RunError
from training.engine.optimizer import Divergence, MasterAdamW, cosine
from training.engine.reporter import Reporter


def linear(value: float, dtype: torch.dtype = torch.float32) -> torch.nn.Linear:
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(value)
    return layer.to(dtype)


def backward(layer: torch.nn.Linear, gradient: float) -> None:
    (layer.weight.sum() * gradient).backward()


@pytest.mark.oracle(18)
def test_cosine_table_by_hand():
    expected = [1.0, 0.1 + 0.45 * (1 + math.sqrt(0.5)), 0.55, 0.1 + 0.45 * (1 - math.sqrt(0.5)), 0.1]
    assert [cosine(step, 5, 1.0) for step in range(5)] == pytest.approx(expected, abs=1e-12)


def test_warm_up_then_cosine():
    assert [cosine(step, 5, 3.0, warmup=2) for step in range(5)] == pytest.approx([1.0, 2.0, 3.0, 1.65, 0.3])


def test_a_single_step_has_the_peak():
    assert cosine(0, 1, 0.5) == 0.5


def test_two_adamw_steps_by_hand():
    layer = linear(1.0, torch.float64)
    optimizer = MasterAdamW(layer, eps=0.0)
    backward(layer, 0.5)
    optimizer.step(lr=0.1)
    assert layer.weight.item() == pytest.approx(1.0 - 0.1, abs=1e-12)  # the first step is lr · sign(g)
    backward(layer, -0.25)
    optimizer.step(lr=0.1)
    m = (0.9 * 0.1 * 0.5 + 0.1 * -0.25) / (1 - 0.9**2)
    v = (0.95 * 0.05 * 0.25 + 0.05 * 0.0625) / (1 - 0.95**2)
    assert layer.weight.item() == pytest.approx(0.9 - 0.1 * m / math.sqrt(v), abs=1e-12)


def test_weight_decay_spares_vectors():
    layer = torch.nn.Linear(1, 1)
    layer.weight.data.fill_(2.0)
    layer.bias.data.fill_(2.0)
    optimizer = MasterAdamW(layer, weight_decay=0.5)
    (layer.weight.sum() * 0 + layer.bias.sum() * 0).backward()
    optimizer.step(lr=0.1)
    assert layer.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5))
    assert layer.bias.item() == 2.0


def test_passes_add_up_and_are_clipped_together():
    layer = linear(0.0)
    optimizer = MasterAdamW(layer)
    backward(layer, 3.0)
    backward(layer, 5.0)
    assert optimizer.step(lr=0.0, max_norm=2.0) == pytest.approx(8.0)
    state = optimizer.inner.state[optimizer.masters[0]]
    assert state["exp_avg"].item() == pytest.approx(0.1 * 2.0)


def test_masters_keep_updates_that_bf16_would_lose():
    layer = linear(1.0, torch.bfloat16)
    optimizer = MasterAdamW(layer)
    for _ in range(100):
        backward(layer, 1.0)
        assert layer.weight.grad is None  # moved into the master's fp32 sum
        optimizer.step(lr=1e-4)
    assert optimizer.masters[0].item() == pytest.approx(0.99, abs=1e-5)
    assert layer.weight.item() == 0.98828125  # the bf16 number nearest to .99
    optimizer.restore()
    assert layer.weight.dtype == torch.float32
    assert layer.weight.item() == pytest.approx(0.99, abs=1e-5)


def test_masters_start_off_the_bf16_grid():
    layer = linear(1.003)
    optimizer = MasterAdamW(layer, lower=layer, dtype=torch.bfloat16)
    assert layer.weight.item() == 1.0
    assert optimizer.masters[0].item() == pytest.approx(1.003, abs=1e-6)


@pytest.mark.oracle(18)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(bad):
    """One entry of one gradient costs each weight its step; Adam neither moves on by its momentum nor loses it."""
    layer = torch.nn.Linear(2, 3)
    optimizer = MasterAdamW(layer, weight_decay=0.1)
    (layer.weight.sum() + layer.bias.sum()).backward()
    optimizer.step(lr=0.1)
    before = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
    assert len(before) == 2 * 4  # of weight and bias the master, two moments and a count of steps
    (layer.weight.sum() + bad * layer.bias[1]).backward()
    assert not math.isfinite(optimizer.step(lr=0.1, max_norm=1.0))
    after = optimizer.tensors()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert torch.equal(layer.weight.data, before["0.master"])
    assert torch.equal(layer.bias.data, before["1.master"])
    assert layer.weight.grad is None
    assert layer.bias.grad is None


@pytest.mark.oracle(18)
def test_three_such_steps_in_a_row_end_the_run():
    divergence, silent = Divergence(), Reporter(None)
    for norm in [math.nan, math.nan, 1.0, math.nan, math.inf]:
        divergence.check(norm, "Step 1", silent)
    with pytest.raises(RunError, match="up to step 6, were not finite; a smaller learning rate may help"):
        divergence.check(math.nan, "Step 6", silent)


def test_a_run_whose_every_step_was_skipped_has_learned_nothing():
    divergence = Divergence(**Divergence(in_a_row=1, skipped=1).progress)
    divergence.check(math.nan, "Step 2", Reporter(None))
    divergence.end(3)
    with pytest.raises(RunError, match="learned nothing: the gradient of each of its steps, 2 in all, was not finite"):
        divergence.end(2)


@pytest.mark.oracle(18)
def test_the_examples_that_are_to_blame_are_named(tmp_path):
    report = Reporter(tmp_path / "metrics.jsonl")
    Divergence().check(math.nan, "Step 1", report, ["d-oak"])
    text = json.loads((tmp_path / "metrics.jsonl").read_text())["text"]
    assert text == "Step 1 was skipped: its gradient is not finite. Not finite: d-oak."
    with pytest.raises(RunError, match=r"may help. Not finite: a, b, c, d, e and 1 more\.$"):
        Divergence(2).check(math.inf, "Step 9", report, list("abcdef"))
