"""Memory that ran out is said in one sentence that names what to lower, whichever way it ran out."""

import pytest
import torch

from tests.engine.conftest import MAINS
from training.engine import memory
from training.engine.config import settings_for

SENTENCE = (
    "Memory ran out. Lower micro_tokens (now 2,048), then max_length (now 512), or take a smaller model, lora_rank "
    "above 0 or a larger machine."
)


def cpu_allocator():
    """What torch raises where the machine has no such memory; 2**60 bytes are nowhere."""
    torch.empty(2**60, dtype=torch.uint8)


def raising(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize(
    "fail",
    [cpu_allocator, raising(MemoryError()), raising(torch.OutOfMemoryError("CUDA out of memory.")),
     raising(RuntimeError("std::bad_alloc")), raising(torch.AcceleratorError("CUDA error: out of memory")),
     raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))],
)  # fmt: skip
def test_a_run_that_runs_out_of_memory_says_what_to_lower(make_snapshot, run_script, monkeypatch, fail):
    monkeypatch.setitem(MAINS, "sft", lambda run: fail())
    ran = run_script("sft", make_snapshot(), {"micro_tokens": 2048, "max_length": 512})
    assert ran.code == 1
    assert ran.refusal == SENTENCE


def test_other_errors_are_no_lack_of_memory():
    for error in (RuntimeError("shapes do not fit"), ValueError("std::bad_alloc"), KeyError("memory")):
        assert not memory.ran_out(error)


def test_the_advice_names_the_settings_that_the_kind_has():
    assert "batch_rows (now 16)" in memory.advice(settings_for("sample"))
    assert "micro_tokens" not in memory.advice(settings_for("sample"))
    assert memory.advice(None).startswith("Memory ran out. Lower micro_tokens, or")


def test_the_peak_counts_what_was_held_and_given_back():
    before = memory.peaks()["memory_gib"]
    torch.ones(int((memory.peaks()["memory_gib"] + 0.2) * 2**30), dtype=torch.uint8)
    assert memory.peaks()["memory_gib"] > before + 0.15
    assert memory.free(torch.device("cpu")) > 0
