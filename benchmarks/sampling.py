"""Our sampling loop beside transformers' `generate` and beside the matrix products that neither can do without.

    python -m benchmarks.sampling                     16, 64 and 128 rows, fp32 and bf16
    python -m benchmarks.sampling --rows 16 --dtype fp32

Every row reads a prompt of 32 tokens and draws 64 more from softmax(logits), none ends early. `products` makes only
the products with the model's weights, as transformers makes them: what is left when attention, norms, drawing and
Python cost nothing. Each side runs in a process of its own with the launcher's allocator and thread settings; the
sides take turns in several rounds, each with ratios of its own. Prints a table with the median ratios and their
ranges, writes benchmarks/out/sampling.json, and fails where a goal is missed: 1.2 times `generate` at 16 rows, 85% of
the products' rate at 64 rows. Ours and `generate` answer with the same tokens under greedy decoding in float64:
tests/engine/test_sampling.py.
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

from benchmarks.reward import busy, peak_memory, run

ROOT = Path(__file__).resolve().parents[1]
PROMPT, ANSWER, VOCABULARY = 32, 64, 49_152
SIDES = ("ours", "generate", "products")
GOALS = (("generate", 16, 1.2), ("products", 64, 0.85))  # at least this ratio of our rate to that side's


def prompts(rows: int) -> list[list[int]]:
    """Token ids, the same for every side."""
    rng = random.Random(rows)
    return [[rng.randrange(3, VOCABULARY) for _ in range(PROMPT)] for _ in range(rows)]


def main() -> None:
    """Run all sides for each number of rows and each precision, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 64, 128])
    parser.add_argument("--dtype", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=3, help="times that the sides take turns, at least 3")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("a median needs at least 3 rounds")
    if options.side:
        print(json.dumps({"seconds": MEASURES[options.side](options.rows[0], options.dtype[0]),
                          "peak_memory_gib": peak_memory()}))  # fmt: skip
        return
    print(f"{'rows':>4} dtype {'side':10} {'tokens/s':>9} {'memory':>9}  ours in ratio")
    cases = [measure(rows, dtype, options.rounds) for dtype in options.dtype for rows in options.rows]
    out = ROOT / "benchmarks" / "out" / "sampling.json"
    out.parent.mkdir(exist_ok=True)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    out.write_text(json.dumps({"machine": machine, "prompt": PROMPT, "answer": ANSWER, "cases": cases}, indent=1))
    print(f"Written to {out.relative_to(ROOT)}.")
    if warning := busy([load for case in cases for load in case["load"]], os.cpu_count() or 1):
        print(warning)
    if failed := missed(cases):
        sys.exit(failed)


def measure(rows: int, dtype: str, rounds: int) -> dict[str, Any]:
    """One case: the sides in turn, round after round; prints its lines of the table."""
    case: dict[str, Any] = {"rows": rows, "dtype": dtype, "load": [], "rounds": []}
    command = [sys.executable, "-m", "benchmarks.sampling", "--rows", str(rows), "--dtype", dtype, "--side"]
    for _ in range(rounds):
        case["load"].append(os.getloadavg()[0])
        case["rounds"].append({side: run([*command, side]) for side in SIDES})
    case["ratios"] = {side: ratio(case["rounds"], side) for side in SIDES if side != "ours"}
    for side in SIDES:
        seconds = statistics.median(one[side]["seconds"] for one in case["rounds"])
        memory = max(one[side]["peak_memory_gib"] for one in case["rounds"])
        times = "{median:.2f} ({least:.2f}–{most:.2f})".format(**case["ratios"][side]) if side != "ours" else ""
        print(f"{rows:>4} {dtype:5} {side:10} {rows * ANSWER / seconds:9.0f} {memory:5.1f} GiB  {times}", flush=True)
    return case


def ratio(rounds: list[dict[str, dict[str, Any]]], side: str) -> dict[str, float]:
    """Our rate over a side's: the median of the rounds' own ratios, the least, the most."""
    ratios = [one[side]["seconds"] / one["ours"]["seconds"] for one in rounds]
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def missed(cases: list[dict[str, Any]]) -> str | None:
    """What to fail with: the goals that a measured case misses; None where there is none."""
    slow = [
        f"{case['ratios'][side]['median']:.2f} of {side} at {rows} rows in {case['dtype']}, not {least}"
        for side, rows, least in GOALS
        for case in cases
        if case["rows"] == rows and case["ratios"][side]["median"] < least
    ]
    return f"Ours is {'; '.join(slow)}." if slow else None


def load(dtype: str) -> Any:
    """SmolLM2-135M in this precision, in eval mode."""
    import torch

    from training.engine.models import load_policy

    inputs = {"base_model": "smollm2", "models_dir": str(ROOT / "var" / "models")}
    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    return load_policy(inputs, None, dtype=precision, device=torch.device("cpu"))[0]


def measure_ours(rows: int, dtype: str) -> float:
    """Seconds for all rows, prompts included, after a short warm-up."""
    from training.engine.sampling import sample

    model, asked = load(dtype), prompts(rows)

    def draw(tokens: int) -> None:
        # No token has the id -1, so no answer ends before its length.
        answers = sample(model, asked, seeds=range(rows), eos_id=-1, pad_id=0, max_new_tokens=tokens, batch_rows=rows)
        if {len(answer.tokens) for answer in answers} != {tokens}:
            sys.exit("an answer ended early")

    draw(2)
    start = time.perf_counter()
    draw(ANSWER)
    return time.perf_counter() - start


def measure_generate(rows: int, dtype: str) -> float:
    """The same by transformers' `generate`, with the plain attention that it chooses for itself."""
    import torch
    from transformers import GenerationConfig

    model, ids = load(dtype), torch.tensor(prompts(rows))
    model.set_attn_implementation("sdpa")

    def draw(tokens: int) -> None:
        settings = GenerationConfig(
            do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=tokens, eos_token_id=None,
            pad_token_id=0,
        )  # fmt: skip
        model.generation_config = settings
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        if out.shape[1] != PROMPT + tokens:
            sys.exit("generate ended early")

    draw(2)
    start = time.perf_counter()
    draw(ANSWER)
    return time.perf_counter() - start


def measure_products(rows: int, dtype: str) -> float:
    """Only the products with the weights: of the prompts, then of one token a row; of the head 64 times."""
    import torch
    from torch import nn

    model = load(dtype)
    head = model.get_output_embeddings()
    layers = [module.weight for module in model.modules() if isinstance(module, nn.Linear) and module is not head]

    @torch.no_grad()
    def products(tokens: int) -> None:
        inputs = {width: torch.randn(tokens, width, dtype=model.dtype) for width in {w.shape[1] for w in layers}}
        for weight in layers:
            nn.functional.linear(inputs[weight.shape[1]], weight)
        nn.functional.linear(inputs[head.weight.shape[1]][:rows], head.weight)

    products(rows)
    start = time.perf_counter()
    products(rows * PROMPT)
    for _ in range(ANSWER - 1):
        products(rows)
    return time.perf_counter() - start


MEASURES = {"ours": measure_ours, "generate": measure_generate, "products": measure_products}

if __name__ == "__main__":
    main()
