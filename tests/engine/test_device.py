"""What a process computes on, and how fast."""

from types import SimpleNamespace

import pytest
import torch

from training.engine import device


@pytest.mark.parametrize(
    ("seconds", "looked_at", "rate"),  # 2 · 2048³ = 17,179,869,184 operations a product
    [
        ([0.0625] * 6 + [0.03125] + [0.0625] * 13, 20, 32 * 17_179_869_184),
        ([1.5, 0.5, 0.25], 2, 2 * 17_179_869_184),
        ([64.0, 0.5], 1, 17_179_869_184 / 64),
    ],
)
def test_the_rate_of_products_is_by_the_best_of_those_that_were_looked_at(monkeypatch, seconds, looked_at, rate):
    times = [t for n, s in enumerate(seconds) for t in (100.0 * n, 100.0 * n + s)]
    asked = []

    def clock():
        asked.append(None)
        return times[len(asked) - 1]

    monkeypatch.setattr(device, "time", SimpleNamespace(perf_counter=clock))
    assert device.product_rate(torch.float32) == rate
    assert len(asked) == 2 * looked_at
