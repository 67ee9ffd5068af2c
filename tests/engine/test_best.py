"""Which evaluation's weights are the best."""

import math

import pytest
import torch

from training.engine.best import Best
from training.engine.optimizer import MasterAdamW


def offers(max_kl, *looks):
    """After which of the looks, (reward, kl), each offered with its own weight, is the kept one; None for none."""
    layer = torch.nn.Linear(1, 1, bias=False)
    best = Best(MasterAdamW(layer), max_kl)
    for step, (reward, kl) in enumerate(looks):
        layer.weight.data.fill_(step)
        best.offer(step, {"reward": reward, "kl": kl}, [])
    if best.found is None:
        assert best.weights == []
        return None
    best.restore()
    assert layer.weight.tolist() == [[best.found["step"]]]
    return best.found["step"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_not_finite_is_never_the_best(bad):
    assert offers(0.0, (bad, 0.0), (5.0, 1.0)) == 1
    assert offers(0.0, (1.0, 0.0), (bad, 1.0)) == 0
    assert offers(0.0, (bad, 0.0)) is None


def test_a_kl_that_is_not_a_number_is_beyond_the_bound_and_no_matter_without_one():
    assert offers(2.0, (1.0, math.nan), (0.5, 1.0), (3.0, 2.5)) == 1
    assert offers(2.0, (1.0, math.nan)) is None
    assert offers(0.0, (1.0, math.nan)) == 0
