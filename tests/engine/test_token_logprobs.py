"""log π of drawn tokens and entropy a few rows at a time, against the plain formulas."""

import math

import pytest
import torch

from training.engine import token_logprobs
from training.engine.token_logprobs import drawn_logprobs


def plain(logits, tokens, temperature):
    everything = (logits / temperature).log_softmax(-1)
    return everything.gather(-1, tokens[:, None])[:, 0], -(everything.exp() * everything).sum(-1)


@pytest.mark.oracle(14)
@pytest.mark.parametrize("numbers", [1, 100, 1 << 19])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_values_and_gradients_are_those_of_a_log_softmax(numbers, temperature, monkeypatch):
    monkeypatch.setattr(token_logprobs, "_NUMBERS", {"cpu": numbers})
    torch.manual_seed(0)
    logits = (5 * torch.randn(11, 37, dtype=torch.float64)).requires_grad_()
    tokens, slopes = torch.randint(37, (11,)), torch.randn(11, dtype=torch.float64)
    ours, theirs = drawn_logprobs(logits, tokens, temperature), plain(logits, tokens, temperature)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, expected, atol=1e-12, rtol=1e-12)
    assert not ours[1].requires_grad
    gradients = [torch.autograd.grad((one[0] * slopes).sum(), logits)[0] for one in (ours, theirs)]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-13, rtol=1e-12)


def test_by_hand():
    """Logits 0 and ln 3 are ¼ and ¾: entropy ln 4 − ¾ ln 3, and d log π₁ / d logits = (−¼, ¼)."""
    logits = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64, requires_grad=True)
    logprobs, entropy = drawn_logprobs(logits, torch.tensor([1]))
    logprobs.sum().backward()
    assert logprobs.exp().tolist() == pytest.approx([0.75])
    assert entropy.tolist() == pytest.approx([math.log(4) - 0.75 * math.log(3)])
    assert logits.grad.tolist() == [pytest.approx([-0.25, 0.25])]


def test_large_logits_do_not_overflow_and_low_precision_is_read_in_fp32():
    logits = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    logprobs, entropy = drawn_logprobs(logits, torch.tensor([0]))
    assert (logprobs.tolist(), entropy.tolist()) == ([0.0], [0.0])
    low = torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    logprobs, _ = drawn_logprobs(low, torch.tensor([1]))
    logprobs.sum().backward()
    assert logprobs.dtype == torch.float32
    assert float(logprobs) == pytest.approx(-math.log(1 + math.exp(-1)), abs=1e-6)
    assert low.grad.dtype == torch.bfloat16


def test_a_logit_that_is_not_a_number_is_not_hidden():
    logits = torch.tensor([[0.0, math.nan], [0.0, 1.0]])
    logprobs, entropy = drawn_logprobs(logits, torch.tensor([0, 0]))
    assert torch.isfinite(logprobs).tolist() == torch.isfinite(entropy).tolist() == [False, True]
