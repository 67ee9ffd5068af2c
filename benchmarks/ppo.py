"""An iteration of PPO beside TRL's: the same prompts, models, precision and lengths, in the same run.

    python -m benchmarks.ppo            ours alone
    python -m benchmarks.ppo --rival    ours and TRL 0.24, the last with PPO in its main part, installed into
                                        var/bench/trl-ppo at the first use
    python -m benchmarks.ppo --usual    and TRL as it comes: with the gradient checkpointing that it chooses itself
                                        and the system's own allocator settings

One iteration samples an answer of at most R tokens to each of B prompts of P tokens, lets reference, reward model and
value read them, and takes one optimizer step in one epoch. Ours runs with a value model of its own, which is what TRL
does, with the value on a shared trunk, and with adapters on that trunk, whose absence is the reference. Answers are
either all at full length or end by their end token at about half of it: a constant on that token's logit, the same on
both sides, sees to it. Each side runs in a process of its own with the allocator and thread settings that the
platform's launcher gives, save TRL as it comes; the sides alternate in several rounds, each with a ratio of its own.
Prints a table with median ratios and writes benchmarks/out/ppo.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from benchmarks.reward import ENVIRONMENT, ROOT, busy, peak_memory, run

RIVAL = ROOT / "var" / "bench" / "trl-ppo"
RIVAL_PACKAGES = ("trl==0.24.0", "torch==2.13.0", "transformers==4.57.6")
BATCH, PROMPT, ANSWER, VOCABULARY = 16, 32, 32, 49_152
WARM_UP = 1
# What is added to the end token's logit: never, and so that answers are ANSWER / 2 tokens long on average.
ENDS = {"full": -1e4, "half": 12.6}
SIDES: dict[str, dict[str, Any]] = {  # ours: settings that differ
    "own": {"value": "own"},
    "trunk": {"value": "trunk"},
    "lora": {"value": "trunk", "lora_rank": 16},
}
# Times as fast as TRL that a side is to be, with answers at full length and at half of it.
GOALS = {("own", "fp32"): (1.5, 2.5), ("own", "bf16"): (3.0, 5.0), ("trunk", "bf16"): (5.0, 8.0)}
PHASES = ("sample", "score", "update")
RIVALS = {"TRL": "TRL", "usual": "TRL as it comes"}


def prompts(iteration: int) -> list[list[int]]:
    """Token ids of the prompts of iteration 0, 1, …; the same on both sides."""
    rng = random.Random(iteration)
    return [[rng.randrange(3, VOCABULARY) for _ in range(PROMPT)] for _ in range(BATCH)]


def bend(head: Any, end: int, constant: float) -> None:
    """Add a constant to the end token's logit in everything that an unembedding gives."""

    def add(module: Any, given: Any, logits: Any) -> Any:
        logits[..., end] += constant
        return logits

    head.register_forward_hook(add)


def main() -> None:
    """Run all sides of every case in turn, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", action="store_true", help="measure TRL too")
    parser.add_argument("--usual", action="store_true", help="measure TRL as it comes, too")
    parser.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--length", nargs="+", default=["full", "half"], choices=list(ENDS))
    parser.add_argument("--rounds", type=int, default=3, help="times that the sides take turns")
    parser.add_argument("--iterations", type=int, default=2, help="measured iterations of a round")
    parser.add_argument("--ours", nargs="+", default=list(SIDES), choices=list(SIDES), help="which of ours to measure")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure_ours(options.side, options.dtype[0], options.length[0], options.iterations)))
        return

    from training.engine.base import resolve_base

    model = resolve_base("smollm2", ROOT / "var" / "models")
    if options.rival or options.usual:
        install_rival()
    print(HEAD)
    measured = [
        measure(dtype, length, model, options) for length in options.length for dtype in options.dtype
    ]  # fmt: skip
    out = ROOT / "benchmarks" / "out" / "ppo.json"
    out.parent.mkdir(exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    sizes = {"batch": BATCH, "prompt": PROMPT, "answer": ANSWER}
    out.write_text(json.dumps({"machine": machine, **sizes, "cases": measured}, indent=1))
    print(f"Written to {out.relative_to(ROOT)}.")
    if warning := busy([load for case in measured for load in case["load"]], os.cpu_count() or 1):
        print(warning)


def measure(dtype: str, length: str, model: str, options: argparse.Namespace) -> dict[str, Any]:
    """One precision and length: all sides in turn, round after round; prints their lines of the table."""
    arguments = ["--dtype", dtype, "--length", length, "--iterations", str(options.iterations)]
    sides = {side: [sys.executable, "-m", "benchmarks.ppo", "--side", side, *arguments] for side in options.ours}
    trl = [str(RIVAL / "bin" / "python"), str(ROOT / "benchmarks" / "trl_ppo.py"), "--model", model, *arguments]
    if options.rival:
        sides["TRL"] = trl
    if options.usual:
        sides["usual"] = [*trl, "--usual"]
    case: dict[str, Any] = {"dtype": dtype, "length": length, "load": [], "rounds": []}
    for _ in range(options.rounds):
        case["load"].append(os.getloadavg()[0])
        case["rounds"].append({side: run(command, {} if side == "usual" else ENVIRONMENT)
                               for side, command in sides.items()})  # fmt: skip
    for side in sides:
        print(line(case, side), flush=True)
    return case


def measure_ours(side: str, dtype: str, length: str, iterations: int) -> dict[str, Any]:
    """Seconds of the trainer's own iterations and of their phases, on this process's threads."""
    import torch

    from exchange.records import Message
    from training.engine import heads, learner, ppo
    from training.engine.config import settings_for
    from training.engine.data import Question
    from training.engine.device import product_rate
    from training.engine.models import new_reward
    from training.engine.reporter import Reporter
    from training.engine.runtime import Run

    # There is no reward model of this size to load: a new one costs the same.
    learner.load_reward = lambda inputs, reference, **options: new_reward(inputs, None, seed=1, **options)
    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    settings = settings_for("ppo", "cpu", {
        "episodes": 10**6, "rollout_batch": BATCH, "minibatch": BATCH, "response_length": ANSWER,
        "micro_tokens": 4096, "learning_rate": 1e-6, "value_learning_rate": 1e-6, **SIDES[side],
    })  # fmt: skip
    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models"), "policy": None, "reward": None}
    with tempfile.TemporaryDirectory() as folder:
        one = Run("ppo", Path(folder), inputs, settings, Reporter(None), torch.device("cpu"), precision)
        made = learner.load(one)
        end = made.tokenizer.eos_token_id
        for model in filter(None, (made.models.policy, made.models.reference)):
            bend(model.get_output_embeddings(), end, ENDS[length])
        found = []
        for number in range(WARM_UP + iterations):
            asked = [Question(str(row), (Message("user", "?"),), ids) for row, ids in enumerate(prompts(number))]
            found.append(ppo.iterate(made, number, WARM_UP + iterations, asked))
    kept = found[WARM_UP:]
    answer = statistics.fmean(one["mean_length"] for one in kept)
    parts = heads.body(made.models.policy), made.models.policy.get_output_embeddings()
    body, unembedding = (sum(p.numel() for p in part.parameters() if p.dim() == 2) for part in parts)
    peak = product_rate(precision)
    return {
        **{phase: statistics.median(one[f"seconds_{phase}"] for one in kept) for phase in PHASES},
        "seconds": statistics.median(BATCH / one["episodes_per_second"] for one in kept),
        "answer": answer,
        "peak_memory_gib": peak_memory(),
        "matmul_peak_gflops": peak / 1e9,
        "gflop": gflop(body - unembedding, unembedding, answer, own_value=side == "own"),
    }


def gflop(body: int, unembedding: int, answer: float, *, own_value: bool) -> float:
    """What an iteration's products with weights of these sizes take at least, 10⁹ operations: 2 a weight and token,
    and 4 more where it learns (adapters need a third less; they are counted like whole weights).

    Sampling, reference, reward model and training read prompt and answer once each, and so does a value model of its
    own in training: the pass that judges is the one that training goes on from. Answers alone are unembedded.
    """
    bodies = 2 * body * BATCH * (PROMPT + answer)
    heads = 2 * unembedding * BATCH * answer
    reads = 2 * (bodies + heads) + bodies
    learns = 3 * (bodies + heads) + (3 * bodies if own_value else 0)
    return (reads + learns) / 1e9


def install_rival() -> None:
    """TRL in a virtual environment of its own, once."""
    if (RIVAL / "installed").exists():
        return
    print("Installing " + ", ".join(RIVAL_PACKAGES) + f" into {RIVAL.relative_to(ROOT)}, once …", flush=True)
    venv.create(RIVAL, with_pip=True)
    subprocess.run([str(RIVAL / "bin" / "pip"), "install", "-q", *RIVAL_PACKAGES], check=True)
    (RIVAL / "installed").touch()


HEAD = "length dtype side  answer s/iteration episodes/s tokens/s of peak    memory  sample/score/update  as fast as"


def line(case: dict[str, Any], side: str) -> str:
    """A side's line of the table: medians of its rounds, its largest memory, and the ratio with its range."""
    rounds = [one[side] for one in case["rounds"]]
    seconds = statistics.median(one["seconds"] for one in rounds)
    answer = statistics.fmean(one["answer"] for one in rounds)
    shares = [one["gflop"] / one["seconds"] / one["matmul_peak_gflops"] for one in rounds if "gflop" in one]
    share = f"{statistics.median(shares):.0%}" if shares else ""
    phases = "/".join(f"{statistics.median(one[name] for one in rounds):.2f}" for name in PHASES if name in rounds[0])
    times = ""
    for rival, name in RIVALS.items():
        if side not in RIVALS and rival in case["rounds"][0]:
            ratios = [one[rival]["seconds"] / one[side]["seconds"] for one in case["rounds"]]
            times += f"{statistics.median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f}) {name}, "
    if times and (side, case["dtype"]) in GOALS:
        goal = dict(zip(ENDS, GOALS[side, case["dtype"]], strict=True))[case["length"]]
        times += f"goal {goal:g}×"
    memory = max(one["peak_memory_gib"] for one in rounds)
    return (
        f"{case['length']:6} {case['dtype']:5} {side:5} {answer:6.1f} {seconds:11.2f} {BATCH / seconds:10.3f} "
        f"{BATCH * (PROMPT + answer) / seconds:8.0f} {share:>7} {memory:5.1f} GiB {phases:>20}  {times}"
    )


if __name__ == "__main__":
    main()
