"""What a process computes on: its own device, and the precision there."""

from __future__ import annotations

import os

import torch


def own_device() -> torch.device:
    """This rank's own GPU, made the current one; the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def precision(name: str, device: torch.device) -> torch.dtype:
    """The setting `dtype` on the device: "auto", "fp32" or "bf16"."""
    if name == "auto":
        return torch.bfloat16 if supports_bf16(device) else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[name]


def supports_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products are native on the device: a GPU that says so, or AVX512-BF16 or AMX on a CPU."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
