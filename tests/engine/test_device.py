"""What a process computes on, and how fast."""

from types import SimpleNamespace

import torch

from training.engine import device


def test_the_rate_of_products_is_by_the_best_of_twenty(monkeypatch):
    # A clock by which each product takes a second, the seventh half a second: 2 · 2048³ = 17,179,869,184 operations.
    times = iter([t for n in range(20) for t in (10.0 * n, 10.0 * n + (0.5 if n == 6 else 1.0))])
    monkeypatch.setattr(device, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    assert device.product_rate(torch.float32) == 2 * 17_179_869_184
