"""The reward model's step beside TRL's: the same rankings, the same model, the same precision, in the same run.

    python -m benchmarks.reward            ours alone
    python -m benchmarks.reward --rival    ours and TRL 1.16, which is installed into var/bench/trl at the first use

One step is one prompt of P tokens with K ranked completions of R tokens: forward, backward and optimizer. Ours
forwards the prompt once for all completions; TRL forwards each of the K(K−1)/2 pairs with its prompt twice. Each side
runs in a process of its own with the allocator and thread settings that the platform's launcher gives. Prints a table,
writes benchmarks/out/reward.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RIVAL = ROOT / "var" / "bench" / "trl"
RIVAL_PACKAGES = ("trl==1.16.0", "torch==2.13.0", "transformers==5.23.0")
ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "OMP_WAIT_POLICY": "PASSIVE",
}
PROMPT, ANSWER, VOCABULARY, END = 128, 64, 49_152, 2
WARM_UP = 2


def ranking(k: int) -> tuple[list[int], list[list[int]]]:
    """Token ids of a prompt and K completions, best first, each with its end token; the same on both sides."""
    rng = random.Random(k)
    prompt = [rng.randrange(3, VOCABULARY) for _ in range(PROMPT)]
    return prompt, [[rng.randrange(3, VOCABULARY) for _ in range(ANSWER - 1)] + [END] for _ in range(k)]


def main() -> None:
    """Run both sides for every K and precision asked for, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", action="store_true", help="measure TRL too")
    parser.add_argument("--k", type=int, nargs="+", default=[4, 9])
    parser.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument(
        "--steps", type=int, default=8, help="measured steps of ours; TRL makes half as many, at least 3"
    )
    parser.add_argument("--side", choices=["ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure_ours(options.k[0], options.dtype[0], options.steps)))
        return

    from training.engine.base import resolve_base

    model = resolve_base("smollm2", ROOT / "var" / "models")
    if options.rival:
        install_rival()
    rows = []
    for k in options.k:
        for dtype in options.dtype:
            arguments = ["--k", str(k), "--dtype", dtype]
            ours = run([sys.executable, "-m", "benchmarks.reward", "--side", "ours", *arguments, "--steps",
                        str(options.steps)])  # fmt: skip
            rows.append({"side": "Plumbline", "k": k, "dtype": dtype, **ours})
            if options.rival:
                steps = str(max(3, options.steps // 2))
                script = [str(RIVAL / "bin" / "python"), str(ROOT / "benchmarks" / "trl_reward.py")]
                theirs = run([*script, "--model", model, *arguments, "--steps", steps])
                rows.append({"side": "TRL", "k": k, "dtype": dtype, **theirs})
            print_row(rows, options.rival)
    out = ROOT / "benchmarks" / "out" / "reward.json"
    out.parent.mkdir(exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()}
    out.write_text(json.dumps({"machine": machine, "prompt": PROMPT, "answer": ANSWER, "rows": rows}, indent=1) + "\n")
    print(f"Written to {out.relative_to(ROOT)}.")


def measure_ours(k: int, dtype: str, steps: int) -> dict[str, Any]:
    """Seconds of each step of training.engine.reward, with the optimizer, on this process's threads."""
    import torch

    from training.engine import heads
    from training.engine.config import settings_for
    from training.engine.data import Group
    from training.engine.models import new_reward
    from training.engine.optimizer import MasterAdamW
    from training.engine.reward import accumulate

    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models")}
    model, _ = new_reward(inputs, None, seed=1, dtype=torch.float32, device=torch.device("cpu"))
    model.train()
    optimizer = MasterAdamW(model, lower=heads.body(model), dtype=precision)
    settings = settings_for("reward", "cpu", {"micro_tokens": 4096})
    prompt, completions = ranking(k)
    group = Group("g", prompt, completions, list(range(k)))
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        accumulate(model, [group], settings)
        optimizer.step(lr=9e-6, max_norm=1.0)
        seconds.append(time.perf_counter() - start)
    body = heads.body(model)
    multiplied = sum(p.numel() for p in body.parameters() if p.dim() == 2) - body.get_input_embeddings().weight.numel()
    peak = matmul_peak(precision)
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "tokens": group.tokens,
        "peak_memory_gib": peak_memory(),
        "matmul_peak_gflops": peak / 1e9,
        "gflop": 6 * multiplied * group.tokens / 1e9,
    }


def matmul_peak(dtype: Any) -> float:
    """Best of 20 products of 2048 × 2048 matrices, in FLOP/s: what this machine can do just now."""
    import torch

    a, b = torch.randn(2048, 2048, dtype=dtype), torch.randn(2048, 2048, dtype=dtype)
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best


def peak_memory() -> float:
    """Peak resident memory of this process in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def install_rival() -> None:
    """TRL in a virtual environment of its own, once."""
    if (RIVAL / "installed").exists():
        return
    print("Installing " + ", ".join(RIVAL_PACKAGES) + f" into {RIVAL.relative_to(ROOT)}, once …", flush=True)
    venv.create(RIVAL, with_pip=True)
    subprocess.run([str(RIVAL / "bin" / "pip"), "install", "-q", *RIVAL_PACKAGES], check=True)
    (RIVAL / "installed").touch()


def run(command: list[str]) -> dict[str, Any]:
    """A side's own process; its last line of output is its figures."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def print_row(rows: list[dict[str, Any]], rival: bool) -> None:
    """The newest case as a line of the table, with a head before the first."""
    if len(rows) <= 1 + rival:
        print(f"{'K':>2} {'dtype':5} {'side':10} {'s/step':>8} {'rankings/s':>10} {'tokens/s':>9} "
              f"{'of peak':>8} {'memory':>9} {'ratio':>6}")  # fmt: skip
    case = rows[-2:] if rival else rows[-1:]
    for row in case:
        share = row["gflop"] / row["seconds"] / row["matmul_peak_gflops"] if "gflop" in row else None
        times = case[-1]["seconds"] / row["seconds"] if rival and row is case[0] else None
        print(f"{row['k']:>2} {row['dtype']:5} {row['side']:10} {row['seconds']:8.2f} {1 / row['seconds']:10.3f} "
              f"{row['tokens'] / row['seconds']:9.0f} {f'{share:.0%}' if share else '':>8} "
              f"{row['peak_memory_gib']:5.1f} GiB {f'{times:.1f}×' if times else '':>6}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
