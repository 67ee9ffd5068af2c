"""The KL over the whole vocabulary, read piece by piece, is the plain one."""

import math

import pytest
import torch

from training.engine.vocabulary_kl import vocabulary_kl

N, D, V = 11, 6, 29


def parts(seed):
    generator = torch.Generator().manual_seed(seed)
    unembedding = torch.nn.Linear(D, V, bias=False, dtype=torch.float64)
    unembedding.weight.data = torch.randn(V, D, generator=generator, dtype=torch.float64)
    return torch.randn(N, D, generator=generator, dtype=torch.float64), unembedding


@pytest.mark.oracle(14)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("rows", [1, 4, 11, 100])
def test_pieces_are_torchs_own_divergence(rows, temperature):
    (own, head), (reference, other) = parts(1), parts(2)
    policy, frozen = ((h @ u.weight.T / temperature).log_softmax(-1) for h, u in ((own, head), (reference, other)))
    plain = torch.nn.functional.kl_div(frozen, policy, reduction="none", log_target=True).sum(-1)
    found = vocabulary_kl(own, head, reference, other, temperature, rows=rows)
    torch.testing.assert_close(found, plain.detach(), atol=1e-12, rtol=0)
    assert not found.requires_grad


def test_by_hand():
    """½ and ½ beside ¼ and ¾: ½ ln 2 + ½ ln ⅔ = ½ ln 4/3."""
    head = torch.nn.Linear(2, 2, bias=False)
    head.weight.data = torch.eye(2)
    own, reference = torch.zeros(1, 2), torch.tensor([[0.0, math.log(3)]])
    assert vocabulary_kl(own, head, reference, head).tolist() == pytest.approx([0.5 * math.log(4 / 3)])


def test_no_more_than_a_piece_of_logits_is_held():
    (own, head), (reference, other) = parts(1), parts(2)
    sizes = []
    for unembedding in (head, other):
        unembedding.register_forward_hook(lambda module, given, logits: sizes.append(len(logits)))
    vocabulary_kl(own, head, reference, other, rows=4)
    assert sizes == [4, 4, 4, 4, 3, 3]
