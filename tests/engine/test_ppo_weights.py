"""Which weights are saved: the moving average's closed form, and the best evaluation within a bound on the KL."""

import pytest
import torch

from training.engine.best import Best
from training.engine.ema import Average
from training.engine.optimizer import MasterAdamW


def made(dtype=torch.float32):
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2)
    return module, MasterAdamW(module, lower=module, dtype=dtype)


@pytest.mark.oracle(18)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_average_has_its_closed_form(dtype):
    """a_n = dⁿ w₀ + (1 − d) Σ_k dⁿ⁻ᵏ w_k, by hand over four given weights."""
    module, optimizer = made(dtype)
    average = Average(optimizer, 0.9)
    start = [master.detach().clone() for master in optimizer.masters]
    assert [tuple(master.shape) for master in start] == [(2, 3), (2,)]
    for n in range(1, 5):
        for number, master in enumerate(optimizer.masters):
            master.data.fill_(float(n * n + number))
        average.update()
    # .1 (.729 · 1 + .81 · 4 + .9 · 9 + 1 · 16) = 2.8069; of the bias, whose weights are 1 larger, .1 · 3.439 more.
    expected = [0.6561 * start[0] + 2.8069, 0.6561 * start[1] + 3.1508]
    for found, wanted in zip(average.weights, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    with average.applied():
        for found, wanted in zip((module.weight, module.bias), expected, strict=True):
            torch.testing.assert_close(found.data.float(), wanted.to(dtype).float())
    for found, last in zip((module.weight, module.bias), (16.0, 17.0), strict=True):
        assert torch.equal(found.data.float(), torch.full_like(found.data, last).float())


def test_training_goes_on_from_the_last_weights_not_from_the_average():
    module, optimizer = made()
    average = Average(optimizer, 0.5)
    module.weight.data.fill_(2.0)
    with average.applied():
        assert not torch.equal(module.weight.data, torch.full((2, 3), 2.0))
    (module.weight.sum()).backward()
    optimizer.step(lr=0.5)  # Adam's first step is the learning rate
    torch.testing.assert_close(module.weight.data, torch.full((2, 3), 1.5))


def test_the_average_comes_back_from_a_saved_state():
    _, optimizer = made()
    average = Average(optimizer, 0.5)
    optimizer.masters[0].data.fill_(4.0)
    average.update()
    saved = {name: tensor.clone() for name, tensor in average.tensors().items()}
    average.update()
    average.load(saved)
    assert all(torch.equal(tensor, saved[name]) for name, tensor in average.tensors().items())


def offered(best, module, offers):
    kept = []
    for step, (reward, kl) in enumerate(offers):
        module.weight.data.fill_(float(step))
        kept.append(best.offer(step, {"reward": reward, "kl": kl}, [reward]))
    return kept


def test_the_best_reward_within_the_bound_is_kept_and_given_back():
    module, optimizer = made()
    best = Best(optimizer, max_kl=5.0)
    assert offered(best, module, [(1.0, 0.0), (2.0, 3.0), (9.0, 6.0), (2.0, 4.0), (1.5, 1.0)]) == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert best.found == {"step": 1, "figures": {"reward": 2.0, "kl": 3.0}, "rewards": [2.0]}
    best.restore()
    assert torch.equal(module.weight.data, torch.ones(2, 3))


def test_without_a_bound_the_best_is_the_highest_reward_and_a_nan_is_none():
    module, optimizer = made()
    best = Best(optimizer, max_kl=0.0)
    assert offered(best, module, [(1.0, 0.0), (float("nan"), 3.0), (9.0, 60.0)]) == [True, False, True]


def test_the_best_comes_back_from_a_saved_state():
    module, optimizer = made()
    best = Best(optimizer, max_kl=0.0)
    offered(best, module, [(1.0, 0.0), (0.5, 0.0)])
    again = Best(optimizer, 0.0, best.found)
    again.load(best.tensors())
    assert offered(again, module, [(0.9, 0.0)]) == [False]
    again.restore()
    assert torch.equal(module.weight.data, torch.zeros(2, 3))
