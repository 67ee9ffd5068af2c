"""What a process computes on: its own device, and the precision there.

`python -m training.engine.device` says it with the speed of matrix products, as one line of JSON.
"""

from __future__ import annotations

import json
import os
import time

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


def product_rate(dtype: torch.dtype, device: torch.device | str = "cpu") -> float:
    """Best of 20 products of 2048 × 2048 matrices, or of those of two seconds, in FLOP/s: what it can do just now."""
    a, b = (torch.randn(2048, 2048, dtype=dtype, device=device) for _ in range(2))
    seconds: list[float] = []
    while len(seconds) < 20 and sum(seconds) < 2.0:
        start = time.perf_counter()
        product = a @ b
        product[0, 0].item()  # a GPU answers at once and computes later; the value is there when it has
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds)


if __name__ == "__main__":
    here = own_device()
    computes_in = precision("auto", here)
    name = "bf16" if computes_in is torch.bfloat16 else "fp32"
    print(json.dumps({"device": str(here), "dtype": name, "gflops": round(product_rate(computes_in, here) / 1e9, 1)}))
