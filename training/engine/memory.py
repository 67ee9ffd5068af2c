"""Memory: what a process has taken at most, what is free, and what to say when there was not enough."""

from __future__ import annotations

import resource
import sys
from dataclasses import fields
from typing import Any

import psutil
import torch

GIB = 2**30
# The first two change speed and memory alone, the last leaves long examples out.
_LOWER = ("micro_tokens", "batch_rows", "max_length")

# What is said of it in errors of no class of their own: by the C library, C++, CUDA and NCCL, and CUDA's libraries.
_SIGNS = ("can't allocate memory", "std::bad_alloc", "out of memory", "ALLOC_FAILED")


def peaks() -> dict[str, float]:
    """The most that this process has held so far, in GiB: `memory_gib` in RAM, `gpu_memory_gib` on its GPU."""
    unit = 1 if sys.platform == "darwin" else 1024
    found = {"memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB, 3)}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["gpu_memory_gib"] = round(torch.cuda.max_memory_allocated() / GIB, 3)
    return found


def free(device: torch.device) -> int:
    """Bytes that are free on the device: on a GPU, or of the machine's RAM that is to be had without swapping."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def ran_out(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or on the machine, in whichever of its guises."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def advice(settings: Any) -> str:
    """One sentence on what to lower, with the present values of the settings that matter."""
    known = {field.name for field in fields(settings)} if settings is not None else set()
    named = [f"{name} (now {getattr(settings, name):,})" for name in _LOWER if name in known]
    lower = f"Lower {', then '.join(named)}" if named else "Lower micro_tokens"
    return f"Memory ran out. {lower}, or take a smaller model, lora_rank above 0 or a larger machine."
