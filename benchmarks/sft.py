"""SFT's step beside TRL's: the same dialogues, the same model, the same precision, the same steps, in the same run.

    python -m benchmarks.sft            ours alone
    python -m benchmarks.sft --rival    ours and TRL 1.16, which is installed into var/bench/trl at the first use
    python -m benchmarks.sft --usual    and TRL as it comes: with the gradient checkpointing that it chooses itself
                                        and the system's own allocator settings

One step is eight dialogues of 32 to 328 tokens, a quarter to a half of each the prompt, whose tokens are not learned:
forward, backward and optimizer. Ours packs them without padding and forms logits of learned tokens only. Each side
runs in a process of its own with the allocator and thread settings that the platform's launcher gives, save TRL as it
comes; the sides alternate in several rounds, each with a ratio of its own. Both take AdamW steps of one constant
learning rate, so that their losses can be compared. Prints a table and writes benchmarks/out/sft.json; fails where
ours is not 3 times as fast as the tuned TRL in fp32 or 3.5 times in bf16.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.reward import ENVIRONMENT, RIVAL, ROOT, busy, install_rival, peak_memory, run

SHORTEST, LONGEST, BATCH = 32, 328, 8
VOCABULARY, END = 49_152, 2
WARM_UP = 1
RATE = 4e-5
LEAST = {"fp32": 3.0, "bf16": 3.5}


def batches(count: int) -> list[list[tuple[list[int], list[int]]]]:
    """Token ids of (prompt, completion) pairs, eight a step, each completion with its end token; alike on both sides.

    Words repeat as a text's do, so that there is something to learn: each is one of 500, the early ones often.
    """
    rng = random.Random(7)
    words = rng.sample(range(3, VOCABULARY), 500)

    def ids(length: int) -> list[int]:
        return [words[min(int(rng.expovariate(0.02)), 499)] for _ in range(length)]

    def pair() -> tuple[list[int], list[int]]:
        length = rng.randint(SHORTEST, LONGEST)
        prompt = rng.randint(length // 4, length // 2)
        return ids(prompt), [*ids(length - prompt - 1), END]

    return [[pair() for _ in range(BATCH)] for _ in range(count)]


def main() -> None:
    """Run both sides in each precision, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", action="store_true", help="measure TRL too")
    parser.add_argument("--usual", action="store_true", help="measure TRL as it comes, too")
    parser.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3, help="times that the sides take turns")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of a side in a round")
    parser.add_argument("--side", choices=["ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure_ours(options.dtype[0], options.steps)))
        return

    from training.engine.base import resolve_base

    model = resolve_base("smollm2", ROOT / "var" / "models")
    if options.rival or options.usual:
        install_rival()
    print(HEAD)
    measured = [measure(dtype, model, options) for dtype in options.dtype]
    out = ROOT / "benchmarks" / "out" / "sft.json"
    out.parent.mkdir(exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    out.write_text(json.dumps({"machine": machine, "batch": BATCH, "cases": measured}, indent=1))
    print(f"Written to {out.relative_to(ROOT)}.")
    if warning := busy([load for case in measured for load in case["load"]], os.cpu_count() or 1):
        print(warning)
    if failed := too_slow(measured):
        sys.exit(failed)


def measure(dtype: str, model: str, options: argparse.Namespace) -> dict[str, Any]:
    """One precision: the sides in turn, round after round; prints its lines of the table."""
    case: dict[str, Any] = {"dtype": dtype, "load": [], "rounds": []}
    arguments = ["--dtype", dtype, "--steps", str(options.steps)]
    sides = {"Plumbline": [sys.executable, "-m", "benchmarks.sft", "--side", "ours", *arguments]}
    trl = [str(RIVAL / "bin" / "python"), str(ROOT / "benchmarks" / "trl_sft.py"), "--model", model, *arguments]
    if options.rival:
        sides["TRL"] = trl
    if options.usual:
        sides["TRL, usual"] = [*trl, "--usual"]
    for _ in range(options.rounds):
        case["load"].append(os.getloadavg()[0])
        case["rounds"].append({side: run(command, {} if side == "TRL, usual" else ENVIRONMENT)
                               for side, command in sides.items()})  # fmt: skip
    case["ratio"] = {}
    for side in list(sides)[1:]:
        ratios = [one[side]["seconds"] / one["Plumbline"]["seconds"] for one in case["rounds"]]
        case["ratio"][side] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    print_case(case, list(sides))
    return case


def too_slow(cases: list[dict[str, Any]]) -> str | None:
    """What to fail with: the precisions whose median ratio is below the goal; None where there is none."""
    slow = [case for case in cases if "TRL" in case["ratio"] and case["ratio"]["TRL"]["median"] < LEAST[case["dtype"]]]
    if not slow:
        return None
    return "Ours must be faster: " + "; ".join(
        f"{case['ratio']['TRL']['median']:.1f} of {LEAST[case['dtype']]} times TRL in {case['dtype']}" for case in slow
    )


def measure_ours(dtype: str, steps: int) -> dict[str, Any]:
    """Seconds of all measured steps of training.engine.sft, with the optimizer, on this process's threads."""
    import torch

    from training.engine.config import settings_for
    from training.engine.data import Dialogue
    from training.engine.device import product_rate
    from training.engine.models import load_policy
    from training.engine.optimizer import MasterAdamW
    from training.engine.reporter import Reporter
    from training.engine.runtime import Run
    from training.engine.sft import accumulate

    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models")}
    model, _ = load_policy(inputs, None, dtype=torch.float32, device=torch.device("cpu"))
    model.train()
    optimizer = MasterAdamW(model, lower=model, dtype=precision)
    settings = settings_for("sft", "cpu", {"micro_tokens": 4096})
    run = Run("sft", Path("."), inputs, settings, Reporter(None), torch.device("cpu"), precision)
    seconds, losses, tokens, learned = [], [], 0, 0
    for step, batch in enumerate(batches(WARM_UP + steps)):
        dialogues = [Dialogue(str(number), *pair) for number, pair in enumerate(batch)]
        start = time.perf_counter()
        losses.append(accumulate(run, model, dialogues))
        optimizer.step(lr=RATE, max_norm=1.0)
        seconds.append(time.perf_counter() - start)
        if step >= WARM_UP:
            tokens += sum(item.tokens for item in dialogues)
            learned += sum(len(item.completion) for item in dialogues)
    table = model.get_input_embeddings().weight.numel()
    layers = sum(p.numel() for p in model.model.parameters() if p.dim() == 2) - table
    return {
        "seconds": sum(seconds[WARM_UP:]),
        "tokens": tokens,
        "loss": losses[-1],
        "peak_memory_gib": peak_memory(),
        "matmul_peak_gflops": product_rate(precision) / 1e9,
        "gflop": 6 * (layers * tokens + table * learned) / 1e9,
    }


HEAD = "dtype side       tokens/s  of peak    memory   loss as long as ours"


def print_case(case: dict[str, Any], sides: list[str]) -> None:
    """A line of the table for each side: medians of its rounds, its largest memory, its last loss, and the ratio."""
    for side in sides:
        rounds = [one[side] for one in case["rounds"]]
        speed = statistics.median(one["tokens"] / one["seconds"] for one in rounds)
        shares = [one["gflop"] / one["seconds"] / one["matmul_peak_gflops"] for one in rounds if "gflop" in one]
        share = f"{statistics.median(shares):.0%}" if shares else ""
        times = "{median:.1f}× ({least:.1f}–{most:.1f})".format(**case["ratio"][side]) if side in case["ratio"] else ""
        print(f"{case['dtype']:5} {side:10} {speed:8.0f} {share:>8} "
              f"{max(one['peak_memory_gib'] for one in rounds):5.1f} GiB {rounds[-1]['loss']:6.3f} "
              f"{times}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
