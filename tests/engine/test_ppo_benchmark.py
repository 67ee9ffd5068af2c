"""The benchmark's own arithmetic and its table; what it measures is measured elsewhere."""

import pytest
import torch

from benchmarks import ppo


def test_the_products_of_an_iteration_by_hand(monkeypatch):
    """2 prompts of 3 tokens with answers of 5: 16 tokens read, 10 unembedded. A body of 100 and an unembedding of 10
    weights: 3,200 and 200 operations a pass. Sampling and reference 2 · 3,400, reward model 3,200, training 3 · 3,400,
    and a value model 3 · 3,200.
    """
    monkeypatch.setattr(ppo, "BATCH", 2)
    monkeypatch.setattr(ppo, "PROMPT", 3)
    assert ppo.gflop(100, 10, 5.0, own_value=False) * 1e9 == pytest.approx(6_800 + 3_200 + 10_200)
    assert ppo.gflop(100, 10, 5.0, own_value=True) * 1e9 == pytest.approx(6_800 + 3_200 + 10_200 + 9_600)


def test_the_end_tokens_logit_is_bent_and_no_other():
    head = torch.nn.Linear(2, 4, bias=False)
    given = torch.ones(3, 2)
    plain = head(given).detach()
    ppo.bend(head, end=1, constant=7.5)
    bent = head(given).detach()
    assert torch.allclose(bent - plain, torch.tensor([0.0, 7.5, 0.0, 0.0]), atol=1e-5)


def test_a_line_has_the_median_of_the_rounds_own_ratios():
    def figures(seconds):
        return {"seconds": seconds, "answer": 32.0, "peak_memory_gib": 3.0, "gflop": 80.0, "matmul_peak_gflops": 20.0,
                "sample": 1.0, "score": 2.0, "update": 3.0}  # fmt: skip

    rounds = [{"trunk": figures(ours), "TRL": {**figures(theirs), "gflop": 0}} for ours, theirs in ((8, 40), (16, 96))]
    case = {"dtype": "bf16", "length": "full", "rounds": [*rounds, {"trunk": figures(8), "TRL": figures(32)}]}
    text = ppo.line(case, "trunk")
    assert "5.00× (4.00–6.00) TRL, goal 5×" in text
    assert " 2.000 " in text  # 16 episodes in 8 s
    assert " 50% " in text  # 80 GFLOP in 8 s of 20 GFLOP/s
    assert "1.00/2.00/3.00" in text
    assert "×" not in ppo.line(case, "TRL")


def test_both_sides_get_the_same_prompts():
    assert ppo.prompts(3) == ppo.prompts(3) != ppo.prompts(4)
    assert {len(ids) for ids in ppo.prompts(3)} == {ppo.PROMPT}
    assert len(ppo.prompts(3)) == ppo.BATCH
