"""The reward model's step beside TRL's: the same rankings, the same model, the same precision, in the same run.

    python -m benchmarks.reward            ours alone
    python -m benchmarks.reward --rival    ours and TRL 1.16, which is installed into var/bench/trl at the first use

One step is one prompt of P tokens with K ranked completions of R tokens: forward, backward and optimizer. Ours
forwards the prompt once for all completions, "rows" is ours once for each of them, and TRL forwards each of the
K(K−1)/2 pairs with its prompt twice. Each side runs in a process of its own with the allocator and thread settings
that the platform's launcher gives. The sides alternate in several rounds, each with ratios of its own: what else the
machine does then falls on all. Prints a table with the median ratios and their range, writes
benchmarks/out/reward.json, and fails where ours is not as many times as fast as `LEAST` says: than TRL at K = 4 and 9,
than rows at K = 9.
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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RIVAL = ROOT / "var" / "bench" / "trl"
RIVAL_PACKAGES = ("trl==1.16.0", "torch==2.13.0", "transformers==5.23.0")
ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "GOMP_SPINCOUNT": "10000",
}
PROMPT, ANSWER, VOCABULARY, END = 128, 64, 49_152, 2
WARM_UP = 1
CASES = ((4, "fp32"), (4, "bf16"), (9, "bf16"))
LEAST = {("TRL", 4): 5.0, ("TRL", 9): 14.0, ("rows", 9): 2.0}


def ranking(k: int) -> tuple[list[int], list[list[int]]]:
    """Token ids of a prompt and K completions, best first, each with its end token; the same on both sides."""
    rng = random.Random(k)
    prompt = [rng.randrange(3, VOCABULARY) for _ in range(PROMPT)]
    return prompt, [[rng.randrange(3, VOCABULARY) for _ in range(ANSWER - 1)] + [END] for _ in range(k)]


def main() -> None:
    """Run both sides for every K and precision asked for, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", action="store_true", help="measure TRL too")
    parser.add_argument("--k", type=int, nargs="+", help="with each --dtype; else K = 4 in both and K = 9 in bf16")
    parser.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3, help="times that the sides take turns, at least 3")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of ours in a round; TRL makes fewer")
    parser.add_argument("--side", choices=["prefix", "rows"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("a median needs at least 3 rounds")
    if options.side:
        print(json.dumps(measure_ours(options.k[0], options.dtype[0], options.steps, options.side)))
        return

    from training.engine.base import resolve_base

    model = resolve_base("smollm2", ROOT / "var" / "models")
    if options.rival:
        install_rival()
    wanted = [(k, dtype) for k in options.k for dtype in options.dtype] if options.k else CASES
    cases = [(k, dtype) for k, dtype in wanted if dtype in options.dtype]
    print(HEAD)
    measured = [measure(k, dtype, model, options) for k, dtype in cases]
    out = ROOT / "benchmarks" / "out" / "reward.json"
    out.parent.mkdir(exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    out.write_text(json.dumps({"machine": machine, "prompt": PROMPT, "answer": ANSWER, "cases": measured}, indent=1))
    print(f"Written to {out.relative_to(ROOT)}.")
    if warning := busy([load for case in measured for load in case["load"]], os.cpu_count() or 1):
        print(warning)
    if failed := too_slow(measured):
        sys.exit(failed)


def measure(k: int, dtype: str, model: str, options: argparse.Namespace) -> dict[str, Any]:
    """One case: the sides in turn, round after round, and what came out; prints its lines of the table."""
    case: dict[str, Any] = {"k": k, "dtype": dtype, "load": [], "rounds": []}
    arguments = ["--k", str(k), "--dtype", dtype]
    ours = [sys.executable, "-m", "benchmarks.reward", *arguments, "--steps", str(options.steps), "--side"]
    script = [str(RIVAL / "bin" / "python"), str(ROOT / "benchmarks" / "trl_reward.py")]
    theirs = [*script, "--model", model, *arguments, "--steps", "2" if k <= 4 else "1"]
    sides = {"Plumbline": [*ours, "prefix"], "rows": [*ours, "rows"], **({"TRL": theirs} if options.rival else {})}
    for _ in range(options.rounds):
        case["load"].append(os.getloadavg()[0])
        case["rounds"].append({side: run(command) for side, command in sides.items()})
    case["ratio"] = {side: ratio(case["rounds"], side) for side in sides if side != "Plumbline"}
    print_case(case, list(sides))
    return case


def ratio(rounds: list[dict[str, dict[str, Any]]], side: str) -> dict[str, float]:
    """How many times as long as ours a side's step takes: the median of the rounds' ratios, the least, the most."""
    ratios = [one[side]["seconds"] / one["Plumbline"]["seconds"] for one in rounds]
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def busy(loads: list[float], cores: int) -> str | None:
    """A warning where more processes wanted to run than there are cores when a round began."""
    if round(max(loads)) <= cores:
        return None
    return f"Warning: the load was {max(loads):.1f} on {cores} cores, so the seconds are not those of an idle machine."


def too_slow(cases: list[dict[str, Any]]) -> str | None:
    """What to fail with: the cases whose median ratio is below what `LEAST` asks; None where there is none."""
    slow = [
        f"{found['median']:.1f} times as fast as {side} at K = {case['k']} in {case['dtype']}, not {least:.0f}"
        for case in cases
        for side, found in case.get("ratio", {}).items()
        if found["median"] < (least := LEAST.get((side, case["k"]), 0.0))
    ]
    return f"Ours is {'; '.join(slow)}." if slow else None


def measure_ours(k: int, dtype: str, steps: int, layout: str) -> dict[str, Any]:
    """Seconds of each step of training.engine.reward, with the optimizer, on this process's threads."""
    import torch

    from training.engine import heads
    from training.engine.config import RewardSettings, settings_for
    from training.engine.data import Group
    from training.engine.device import product_rate
    from training.engine.models import new_reward
    from training.engine.optimizer import MasterAdamW
    from training.engine.reward import accumulate

    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models")}
    model, _ = new_reward(inputs, None, seed=1, dtype=torch.float32, device=torch.device("cpu"))
    model.train()
    optimizer = MasterAdamW(model, lower=heads.body(model), dtype=precision)
    settings = settings_for("reward", "cpu", {"micro_tokens": 4096, "layout": layout})
    assert isinstance(settings, RewardSettings)
    prompt, completions = ranking(k)
    group = Group("g", prompt, completions, list(range(k)))
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        accumulate(model, [group], settings)
        optimizer.step(lr=9e-6, max_norm=1.0)
        seconds.append(time.perf_counter() - start)
    tokens = group.tokens if layout == "prefix" else k * (PROMPT + ANSWER)
    body = heads.body(model)
    multiplied = (
        sum(p.numel() for p in body.parameters() if p.dim() == 2) - model.get_input_embeddings().weight.numel()
    )
    peak = product_rate(precision)
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "tokens": tokens,
        "peak_memory_gib": peak_memory(),
        "matmul_peak_gflops": peak / 1e9,
        "gflop": 6 * multiplied * tokens / 1e9,
    }


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


def run(command: list[str], environment: Mapping[str, str] = ENVIRONMENT) -> dict[str, Any]:
    """A side's own process, with these of the settings in `ENVIRONMENT`; its last line of output is its figures."""
    inherited = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    done = subprocess.run(
        command, cwd=ROOT, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


HEAD = " K dtype side         s/step rankings/s  tokens/s  of peak    memory as long as ours"


def print_case(case: dict[str, Any], sides: list[str]) -> None:
    """A line of the table for each side: medians of its rounds, its largest memory, its ratio to ours with range."""
    for side in sides:
        rounds = [one[side] for one in case["rounds"]]
        seconds = statistics.median(one["seconds"] for one in rounds)
        shares = [one["gflop"] / one["seconds"] / one["matmul_peak_gflops"] for one in rounds if "gflop" in one]
        share = f"{statistics.median(shares):.0%}" if shares else ""
        times = "{median:.1f}× ({least:.1f}–{most:.1f})".format(**case["ratio"][side]) if side in case["ratio"] else ""
        print(f"{case['k']:>2} {case['dtype']:5} {side:10} {seconds:8.2f} {1 / seconds:10.3f} "
              f"{rounds[0]['tokens'] / seconds:9.0f} {share:>8} "
              f"{max(one['peak_memory_gib'] for one in rounds):5.1f} GiB {times}",
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
