"""How the seconds of a step grow: the reward model's with K, prompt, answers and prompts a step, SFT's with processes.

    python -m benchmarks.growth

SmolLM2-135M in bf16, forward, backward and optimizer. Each line of the first table changes one of K = 4, P = 128,
R = 64 and one prompt a step; its seconds are the median of some steps after one of warm-up, and `a token` says what
grows by itself: where it stays, a step is its tokens, where it falls, the optimizer is shared by more of them. The
second table is SFT on 16 dialogues of 32 to 328 tokens, with the same cores as threads of one process or as
processes of one thread each, under torchrun and gloo; a step waits for the process with the largest share of its
tokens. Writes benchmarks/out/growth.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reward import END, ROOT, VOCABULARY, busy, peak_memory, run

USUAL = {"K": 4, "P": 128, "R": 64, "prompts": 1}
SERIES = {"K": (2, 4, 6, 9), "P": (0, 128, 512, 1024), "R": (16, 64, 256), "prompts": (1, 4, 16)}
STEPS = 4
MICRO_TOKENS = 512  # SFT: several passes a step, which processes share out


def main() -> None:
    """Print both tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", choices=["reward", "sft"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        found = measure_reward() if options.side == "reward" else measure_sft()
        if int(os.environ.get("RANK", "0")) == 0:
            print(json.dumps(found))
        return

    from training.engine.base import resolve_base

    resolve_base("smollm2", ROOT / "var" / "models")
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    grown = run([sys.executable, "-m", "benchmarks.growth", "--side", "reward"])["lines"]
    print(f"{'changed':>12} {'tokens':>7} {'s/step':>7} {'ms a token':>11}")
    for line in grown:
        print(f"{line['changed']:>12} {line['tokens']:7} {line['seconds']:7.2f} "
              f"{1000 * line['seconds'] / line['tokens']:11.2f}")  # fmt: skip
    shared = [{"processes": 1, "threads": cores, **sft(1, cores)}, {"processes": cores, "threads": 1, **sft(cores, 1)}]
    print(f"{'processes':>12} {'threads':>7} {'s/step':>7} {'GiB each':>11} {'largest share':>14}")
    for line in shared:
        print(f"{line['processes']:12} {line['threads']:7} {line['seconds']:7.2f} {line['peak_memory_gib']:11.1f} "
              f"{line['share']:14.0%}")  # fmt: skip
    out = ROOT / "benchmarks" / "out" / "growth.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"cores": cores, "reward": grown, "sft": shared}, indent=1))
    print(f"Written to {out.relative_to(ROOT)}.")
    if warning := busy([load], cores):
        print(warning)


def sft(processes: int, threads: int) -> dict[str, Any]:
    """SFT's step under torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    before = os.environ.copy()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        return run([*command, "-m", "benchmarks.growth", "--side", "sft"])
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure_reward() -> dict[str, Any]:
    """Every line of the first table, in this process."""
    import torch

    from training.engine import heads
    from training.engine.config import RewardSettings, settings_for
    from training.engine.data import Group
    from training.engine.models import new_reward
    from training.engine.optimizer import MasterAdamW
    from training.engine.reward import accumulate

    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models")}
    model, _ = new_reward(inputs, None, seed=1, dtype=torch.float32, device=torch.device("cpu"))
    model.train()
    optimizer = MasterAdamW(model, lower=heads.body(model), dtype=torch.bfloat16)
    settings = settings_for("reward", "cpu", {"micro_tokens": 4096})
    assert isinstance(settings, RewardSettings)
    rng = random.Random(0)

    def ids(length: int) -> list[int]:
        return [rng.randrange(3, VOCABULARY) for _ in range(length)]

    lines = []
    for name, values in SERIES.items():
        for value in values:
            size = {**USUAL, name: value}
            groups = [
                Group(str(number), ids(size["P"]), completions, list(range(size["K"])))
                for number in range(size["prompts"])
                for completions in [[[*ids(size["R"] - 1), END] for _ in range(size["K"])]]
            ]

            def step(groups: list[Group] = groups) -> None:
                accumulate(model, groups, settings)
                optimizer.step(lr=9e-6, max_norm=1.0)

            tokens = sum(group.tokens for group in groups)
            lines.append({"changed": f"{name} = {value}", "tokens": tokens, "seconds": median_seconds(step)})
    return {"lines": lines}


def measure_sft() -> dict[str, Any]:
    """Seconds of SFT's step of the first rank, on this process's threads and with all ranks of the group."""
    import torch
    import torch.distributed as dist

    from benchmarks.sft import batches
    from training.engine.config import settings_for
    from training.engine.data import Dialogue
    from training.engine.dialogues import dialogue_passes
    from training.engine.models import load_policy
    from training.engine.optimizer import MasterAdamW
    from training.engine.reporter import Reporter
    from training.engine.runtime import Run
    from training.engine.sft import accumulate

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if world > 1:
        dist.init_process_group("gloo")
    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models")}
    model, _ = load_policy(inputs, None, dtype=torch.float32, device=torch.device("cpu"))
    model.train()
    optimizer = MasterAdamW(model, lower=model, dtype=torch.bfloat16)
    settings = settings_for("sft", "cpu", {"micro_tokens": MICRO_TOKENS})
    one = Run("sft", Path("."), inputs, settings, Reporter(None), torch.device("cpu"), torch.bfloat16, rank, world)
    dialogues = [Dialogue(str(number), *pair) for batch in batches(2) for number, pair in enumerate(batch)]
    sizes = [sum(item.tokens for item in part) for part in dialogue_passes(model, dialogues, MICRO_TOKENS)]

    def step() -> None:
        accumulate(one, model, dialogues)
        optimizer.step(lr=4e-5, max_norm=1.0)

    share = max(sum(sizes[first::world]) for first in range(world)) / sum(sizes)
    found = {"seconds": median_seconds(step), "peak_memory_gib": peak_memory(), "share": share}
    if world > 1:
        dist.destroy_process_group()
    return found


def median_seconds(step: Callable[[], None]) -> float:
    """Of `STEPS` steps after one of warm-up."""
    seconds = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
