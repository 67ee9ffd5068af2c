"""The benchmark's own arithmetic: ratios by round, the warning of a busy machine, and when it fails."""

import pytest

from benchmarks.reward import busy, print_case, ratio, too_slow


def rounds(*pairs: tuple[float, float]) -> list[dict[str, dict[str, float]]]:
    return [{"Plumbline": {"seconds": ours}, "TRL": {"seconds": theirs}} for ours, theirs in pairs]


def test_the_ratio_is_the_median_of_the_rounds_own_ratios():
    """The second round was twice as slow on both sides: its ratio is 6 all the same."""
    assert ratio(rounds((1, 5), (2, 12), (1, 4)), "TRL") == {"median": 5, "least": 4, "most": 6}


def case(k: int, dtype: str, **medians: float) -> dict:
    return {"k": k, "dtype": dtype, "ratio": {side: {"median": median} for side, median in medians.items()}}


def test_it_fails_below_what_is_asked_of_each_side():
    assert too_slow([case(4, "fp32", TRL=5.0, rows=1.0), case(9, "bf16", TRL=14.0, rows=2.0)]) is None
    assert too_slow([case(4, "fp32", rows=1.0)]) is None  # ours alone
    assert too_slow([case(4, "fp32", TRL=4.94), case(9, "bf16", TRL=20.0, rows=1.9)]) == (
        "Ours is 4.9 times as fast as TRL at K = 4 in fp32, not 5; 1.9 times as fast as rows at K = 9 in bf16, not 2."
    )


@pytest.mark.parametrize(("loads", "warned"), [([0.1, 2.3], False), ([0.1, 2.6, 0.2], True)])
def test_a_busy_machine_is_told(loads, warned):
    assert (busy(loads, 2) is not None) is warned


def test_the_table_has_a_line_for_each_side_with_its_ratio(capsys):
    side = {"seconds": 2.0, "tokens": 384, "peak_memory_gib": 3.0, "gflop": 300.0, "matmul_peak_gflops": 300.0}
    whole = {
        "k": 4, "dtype": "fp32",
        "rounds": [{"Plumbline": side, "rows": {**side, "seconds": 4.0, "tokens": 768}}],
        "ratio": {"rows": {"median": 2.0, "least": 2.0, "most": 2.0}},
    }  # fmt: skip
    print_case(whole, ["Plumbline", "rows"])
    ours, rows = capsys.readouterr().out.splitlines()
    assert ours.split() == ["4", "fp32", "Plumbline", "2.00", "0.500", "192", "50%", "3.0", "GiB"]
    assert rows.split()[2:7] == ["rows", "4.00", "0.250", "192", "25%"]
    assert rows.endswith("2.0× (2.0–2.0)")
