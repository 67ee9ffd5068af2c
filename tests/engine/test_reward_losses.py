"""What may be added to the K-way loss: margins, label smoothing and centring, and the recovery of known utilities."""

import math

import pytest
import torch

from training.engine.losses import kway_loss, margin_heights, pair_targets


def least(loss_of, k: int) -> torch.Tensor:
    """Scores (k,) at which the loss is least, by L-BFGS from 0 in fp64."""
    scores = torch.zeros(k, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scores], max_iter=4000, tolerance_grad=1e-14, tolerance_change=1e-16)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(scores)
        loss.backward()
        return loss

    optimizer.step(closure)
    return scores.detach()


@pytest.mark.oracle(2)
def test_counts_of_70_to_30_are_recovered_as_the_log_odds():
    """Bradley-Terry: the least loss over 70 wins and 30 losses is at ln(.7/.3) = .8473."""
    targets = [(pair_targets([0, 1]), 0.7), (pair_targets([1, 0]), 0.3)]
    found = least(lambda r: sum(share * kway_loss(r, target) for target, share in targets), 2)
    assert float(found[0] - found[1]) == pytest.approx(math.log(0.7 / 0.3), abs=1e-6)
    assert float(found[0] - found[1]) == pytest.approx(0.8473, abs=1e-4)


@pytest.mark.oracle(2)
def test_known_utilities_are_recovered_up_to_a_constant():
    """Every pair with its Bradley-Terry chances both ways: the scores are the utilities, shifted."""
    utilities = torch.tensor([0.3, -1.1, 2.0, 0.0, -0.4], dtype=torch.float64)
    chances = torch.sigmoid(utilities[:, None] - utilities[None, :]).fill_diagonal_(0.0)
    found = least(lambda r: kway_loss(r, chances), 5)
    torch.testing.assert_close(found - found.mean(), utilities - utilities.mean(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.05, 0.2])
def test_smoothed_labels_are_best_met_by_their_own_chance(smoothing):
    found = least(lambda r: kway_loss(r, pair_targets([1, 0], smoothing=smoothing)), 2)
    assert torch.sigmoid(found[1] - found[0]) == pytest.approx(1 - smoothing, abs=1e-7)


def test_smoothing_by_hand_beside_a_tie():
    assert pair_targets([0, 1, 1], "half", smoothing=0.1).tolist() == [
        [0.0, 0.9, 0.9],
        [pytest.approx(0.1), 0.0, 0.5],
        [pytest.approx(0.1), 0.5, 0.0],
    ]


def test_heights_are_the_sums_of_the_margins_below():
    """Strengths 3 and 1 between three ranks, with margins 0, 1/3, 2/3: the best stands 2/3 + 0 above the worst."""
    assert margin_heights([1, 0, 2, 1], [3, 1], [0.0, 1 / 3, 2 / 3]) == pytest.approx([0.0, 2 / 3, 0.0, 0.0])
    assert margin_heights([0, 1, 2], [2, 2], [0.0, 0.5]) == pytest.approx([1.0, 0.5, 0.0])
    assert margin_heights([0, 1], [], [1.0]) == [0.0, 0.0]


def test_a_margin_moves_its_pair_alone():
    """Three completions, heights 1.5, .5, 0: pairs cost softplus(1 − D), softplus(1.5 − D) and softplus(.5 − D)."""
    scores = torch.tensor([0.7, 0.2, -0.6], dtype=torch.float64, requires_grad=True)
    loss = kway_loss(scores, pair_targets([0, 1, 2]), heights=[1.5, 0.5, 0.0])
    wanted = [(0.5, 1.0), (1.3, 1.5), (0.8, 0.5)]
    assert float(loss.detach()) == pytest.approx(sum(math.log1p(math.exp(m - d)) for d, m in wanted) / 3, abs=1e-12)
    loss.backward()
    assert float(scores.grad.sum()) == pytest.approx(0, abs=1e-12)


def test_equal_heights_are_no_margin():
    scores = torch.tensor([0.7, 0.2, -0.6], dtype=torch.float64)
    plain, level = (kway_loss(scores, pair_targets([2, 0, 1]), heights=h) for h in (None, [4.0, 4.0, 4.0]))
    assert float(level) == pytest.approx(float(plain), abs=1e-14)


def test_centring_adds_the_mean_square_of_the_pairs_sums():
    """Scores 1, 2, −1, all pairs ordered: sums 3, 0 and 1, so .01·(9 + 0 + 1)/3."""
    scores = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    targets = pair_targets([0, 1, 2])
    added = float(kway_loss(scores, targets, centring=0.01) - kway_loss(scores, targets))
    assert added == pytest.approx(0.01 * 10 / 3, abs=1e-14)


def test_centring_leaves_only_pairs_that_count():
    """The tie of the first two is dropped: sums of the other two pairs are 0 and 1."""
    scores = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    targets = pair_targets([0, 0, 1])
    added = float(kway_loss(scores, targets, centring=0.01) - kway_loss(scores, targets))
    assert added == pytest.approx(0.01 * (0 + 1) / 2, abs=1e-14)


def test_centring_fixes_the_constant_that_differences_leave_free():
    chances = torch.sigmoid(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)).fill_diagonal_(0.0)
    found = least(lambda r: kway_loss(r + 5.0, chances, centring=0.01), 2) + 5.0
    assert float(found.sum()) == pytest.approx(0, abs=1e-6)
    assert float(found[0] - found[1]) == pytest.approx(1.0, abs=1e-6)
