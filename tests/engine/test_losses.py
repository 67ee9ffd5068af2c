"""The K-way loss against explicit pairs, and the cross entropy of chosen rows against the plain one."""

import math

import pytest
import torch

from tests.engine.conftest import in_double
from training.engine.base import tiny_model
from training.engine.data import Dialogue
from training.engine.dialogues import dialogue_loss
from training.engine.losses import kway_loss, pair_targets, rows_cross_entropy


def explicit(scores: list[float], pairs: list[tuple[int, int, float]]) -> tuple[float, list[float]]:
    """Mean of −log σ(r_i − r_j) over weighted pairs (i better than j), and its gradient, in plain Python."""
    total = sum(weight for _, _, weight in pairs)
    loss, gradient = 0.0, [0.0] * len(scores)
    for i, j, weight in pairs:
        sigma = 1 / (1 + math.exp(scores[j] - scores[i]))
        loss -= weight * math.log(sigma) / total
        gradient[i] -= weight * (1 - sigma) / total
        gradient[j] += weight * (1 - sigma) / total
    return loss, gradient


CASES = {
    "two": ([0.3, -1.2], [0, 1], "drop", [(0, 1, 1.0)]),
    "three, worst first": ([1.0, 0.2, -0.5], [2, 0, 1], "drop", [(1, 0, 1.0), (1, 2, 1.0), (2, 0, 1.0)]),
    "a tie dropped": ([0.7, 0.1, -2.0], [0, 0, 1], "drop", [(0, 2, 1.0), (1, 2, 1.0)]),
    "a tie is half": (
        [0.7, 0.1, -2.0], [0, 0, 1], "half", [(0, 2, 1.0), (1, 2, 1.0), (0, 1, 0.5), (1, 0, 0.5)],
    ),
    "four": (
        [0.5, 2.0, -1.0, 0.0], [1, 0, 3, 2], "drop",
        [(1, 0, 1.0), (1, 2, 1.0), (1, 3, 1.0), (0, 2, 1.0), (0, 3, 1.0), (3, 2, 1.0)],
    ),
}  # fmt: skip


@pytest.mark.oracle(1)
@pytest.mark.parametrize("case", CASES)
def test_kway_loss_is_the_mean_over_explicit_pairs(case):
    values, ranks, ties, pairs = CASES[case]
    scores = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    loss = kway_loss(scores, pair_targets(ranks, ties))
    loss.backward()
    expected, gradient = explicit(values, pairs)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-12)
    assert scores.grad.tolist() == pytest.approx(gradient, abs=1e-12)
    assert float(scores.grad.sum()) == pytest.approx(0, abs=1e-12)


@pytest.mark.oracle(1)
@pytest.mark.parametrize("k", [2, 3, 4, 9])
def test_equal_scores_cost_ln_2_whatever_k(k):
    scores = torch.full((k,), 0.37, dtype=torch.float64)
    assert float(kway_loss(scores, pair_targets(range(k)))) == pytest.approx(math.log(2), abs=1e-14)
    assert float(kway_loss(scores, pair_targets([0] * k, "half"))) == pytest.approx(math.log(2), abs=1e-14)


def test_far_wrong_scores_do_not_overflow():
    scores = torch.tensor([-500.0, 500.0], requires_grad=True)
    loss = kway_loss(scores, pair_targets([0, 1]))
    loss.backward()
    assert float(loss.detach()) == 1000.0
    assert scores.grad.tolist() == [-1.0, 1.0]


def test_a_prompt_of_ties_only_costs_nothing():
    scores = torch.tensor([0.2, 0.9], requires_grad=True)
    loss = kway_loss(scores, pair_targets([0, 0], "drop"))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert scores.grad.tolist() == [0.0, 0.0]


@pytest.mark.oracle(14)
def test_rows_cross_entropy_by_hand():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64))
    loss = rows_cross_entropy(logits, torch.nn.Identity(), torch.tensor([0, 2]), torch.tensor([2.0, 1.0]))
    assert float(loss) == pytest.approx(2 * math.log(2) - math.log(0.8), abs=1e-12)


@pytest.mark.oracle(14)
def test_dialogue_loss_is_the_plain_loss_of_the_completions_tokens():
    """Plain means: all logits of one row at a time from transformers' own forward, all but the completion masked.

    An example's weight multiplies its loss.
    """
    model = in_double(tiny_model())
    dialogues = [
        Dialogue("a", [5, 6, 7], [8, 9, 2]),
        Dialogue("b", [11], [12, 13, 14, 15, 2], weight=3.0),
        Dialogue("c", [4], [2]),
    ]
    model.zero_grad()
    loss = dialogue_loss(model, dialogues)
    loss.backward()
    ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    plain = torch.zeros((), dtype=torch.float64)
    for item in dialogues:
        labels = torch.tensor(([-100] * len(item.prompt) + item.completion)[1:])
        logits = model(input_ids=torch.tensor([item.prompt + item.completion])).logits[0, :-1]
        cost = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
        plain = plain + item.weight * cost
    plain.backward()
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), rel=1e-12)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, rtol=0, atol=1e-9)


@pytest.mark.oracle(14)
def test_a_demonstrations_weight_weighs_its_tokens():
    model = tiny_model().double()
    light, heavy = Dialogue("a", [5, 6], [8, 2]), Dialogue("b", [7], [9, 9, 2], weight=3.0)
    alone = [float(dialogue_loss(model, [item], weighted=False).detach()) for item in (light, heavy)]
    both = float(dialogue_loss(model, [light, heavy]).detach())
    assert both == pytest.approx(alone[0] + 3 * alone[1], rel=1e-12)
