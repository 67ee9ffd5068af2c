"""The benchmark's own arithmetic: ratios by round, the warning of a busy machine, and when it fails."""

import pytest

from benchmarks.reward import busy, ratio, too_slow


def rounds(*pairs: tuple[float, float]) -> list[dict[str, dict[str, float]]]:
    return [{"Plumbline": {"seconds": ours}, "TRL": {"seconds": theirs}} for ours, theirs in pairs]


def test_the_ratio_is_the_median_of_the_rounds_own_ratios():
    """The second round was twice as slow on both sides: its ratio is 6 all the same."""
    assert ratio(rounds((1, 5), (2, 12), (1, 4))) == {"median": 5, "least": 4, "most": 6}


def case(k: int, dtype: str, median: float) -> dict:
    return {"k": k, "dtype": dtype, "ratio": {"median": median, "least": 0.0, "most": 9.0}}


def test_it_fails_below_4_times_at_k_4_only():
    assert too_slow([case(4, "fp32", 4.0), case(9, "bf16", 1.0)]) is None
    assert too_slow([{"k": 4, "dtype": "fp32"}]) is None  # ours alone
    assert too_slow([case(4, "fp32", 3.94), case(4, "bf16", 6.0)]) == (
        "At K = 4 ours must be 4 times as fast as TRL, but it is 3.9 times in fp32."
    )


@pytest.mark.parametrize(("loads", "warned"), [([0.1, 2.3], False), ([0.1, 2.6, 0.2], True)])
def test_a_busy_machine_is_told(loads, warned):
    assert (busy(loads, 2) is not None) is warned
