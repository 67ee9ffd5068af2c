"""Log-probabilities read piece by piece are the plain ones, in value and gradient."""

import pytest
import torch

from training.engine.logprobs import chosen_logprobs

N, D, V = 11, 6, 29


def inputs():
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(N, D, generator=generator, dtype=torch.float64, requires_grad=True)
    unembedding = torch.nn.Linear(D, V, bias=False, dtype=torch.float64)
    unembedding.weight.data = torch.randn(V, D, generator=generator, dtype=torch.float64)
    targets = torch.randint(V, (N,), generator=generator)
    weights = torch.randn(N, generator=generator, dtype=torch.float64)
    return hidden, unembedding, targets, weights


@pytest.mark.oracle(14)
@pytest.mark.parametrize("rows", [1, 4, 10, 11, 100])
def test_pieces_are_the_plain_softmax_in_value_and_gradient(rows):
    hidden, unembedding, targets, weights = inputs()
    plain = (hidden @ unembedding.weight.T).log_softmax(-1)[torch.arange(N), targets]
    wanted = torch.autograd.grad((plain * weights).sum(), [hidden, unembedding.weight])
    pieces = chosen_logprobs(hidden, unembedding, targets, rows=rows)
    assert (pieces - plain).abs().max() < 1e-12
    found = torch.autograd.grad((pieces * weights).sum(), [hidden, unembedding.weight])
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).abs().max() < 1e-12


def test_no_more_than_a_piece_of_logits_is_held():
    hidden, unembedding, targets, _ = inputs()
    sizes = []
    unembedding.register_forward_hook(lambda module, given, logits: sizes.append(len(logits)))
    chosen_logprobs(hidden, unembedding, targets, rows=4).sum().backward()
    assert sizes == [4, 4, 3, 3, 4, 4]  # once more, from the last to the first, in the backward pass
    sizes.clear()
    with torch.no_grad():
        chosen_logprobs(hidden, unembedding, targets, rows=4)
    assert sizes == [4, 4, 3]


def test_low_precision_is_widened_before_the_softmax():
    hidden, unembedding, targets, _ = inputs()
    low = chosen_logprobs(hidden.bfloat16(), unembedding.bfloat16(), targets)
    assert low.dtype == torch.float32
    logits = hidden.bfloat16() @ unembedding.weight.T
    assert torch.equal(low, logits.float().log_softmax(-1)[torch.arange(N), targets])
