"""Does the reward model know people whose rankings it never saw? InstructGPT's check (section 3.5): folds by labeler.

    python -m benchmarks.reward_folds --snapshot var/artifacts/snapshots/DIGEST --folds 5 --seeds 1 2 3

For each seed and each group of labelers an ordinary run leaves the group out of training and is judged on the held-out
prompts, once by the labelers it saw and once by those it did not; and one run a seed leaves nobody out, an ensemble of
seeds. Runs stand in var/bench/folds; those that are done are not made again, and one that was killed goes on. Prints
the mean and standard error over folds and seeds (InstructGPT: 72.4 ± 0.4 % seen, 69.6 ± 0.9 % not) and writes
benchmarks/out/reward_folds.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from training.engine.config import as_dict, settings_for

ROOT = Path(__file__).resolve().parents[1]


def main(argv: list[str] | None = None) -> None:
    """Make the runs that are missing, one after the other, then say what they found together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshot", type=Path, required=True, help="a snapshot's folder")
    parser.add_argument(
        "--base", default="smollm2", help="the model to start from: smollm2, tiny, a folder or a hub id"
    )
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings other than the preset's")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "bench" / "folds")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out" / "reward_folds.json")
    options = parser.parse_args(argv)
    given = dict(pair.split("=", 1) for pair in options.set)
    parted = [
        made(options, given, {"seed": seed, "folds": options.folds, "fold": fold})
        for seed in options.seeds
        for fold in range(options.folds)
    ]
    whole = [made(options, given, {"seed": seed}) for seed in options.seeds]
    found: dict[str, Any] = {
        "seen": over_runs([one["summary"].get("valid_accuracy") for one in parted]),
        "left_out": over_runs([one["summary"].get("fold_accuracy") for one in parted]),
        "whole": over_runs([one["summary"].get("valid_accuracy") for one in whole]),
        "human_agreement": whole[0]["summary"].get("human_agreement"),
    }
    if len(whole) > 1:
        from training.engine.ensemble import main as ensemble

        found["ensemble"] = ensemble(str(options.snapshot), [one["checkpoint"] for one in whole])
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1))
    for name, words in (("seen", "labelers seen"), ("left_out", "labelers left out"), ("whole", "nobody left out")):
        if one := found[name]:
            print(f"{words:18} {one['mean']:.1%} ± {one['error']:.1%} over {one['runs']} runs")
    for name, value in found.get("ensemble", {}).items():
        print(f"{name:18} {value:.4g}" if value is not None else f"{name:18} –")
    print(f"Written to {options.out}.")


def over_runs(shares: list[float | None]) -> dict[str, float] | None:
    """Mean, standard error and number of the runs that have the figure; None where none has."""
    known = [share for share in shares if share is not None]
    if not known:
        return None
    error = statistics.stdev(known) / len(known) ** 0.5 if len(known) > 1 else 0.0
    return {"mean": statistics.fmean(known), "error": error, "runs": len(known)}


def made(options: argparse.Namespace, given: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    """The finished run of these settings: its summary and the path of its checkpoint."""
    name = "-".join(f"{key}{value}" for key, value in settings.items())
    folder = options.folder / f"{options.snapshot.name[:12]}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "kind": "reward",
        "run": {"name": name},
        "inputs": {
            "snapshot": str(options.snapshot.resolve()),
            "snapshot_digest": options.snapshot.name,
            "base_model": options.base,
            "models_dir": str(ROOT / "var" / "models"),
            "policy": None,
        },
        "settings": as_dict(settings_for("reward", options.preset, {**given, **settings})),
    }
    text = json.dumps(config, indent=1)
    stored, result = folder / "config.json", folder / "result.json"
    if stored.exists() and stored.read_text() != text:
        sys.exit(f"{folder} holds a run of other settings; remove it, or give another --folder.")
    stored.write_text(text)
    if not result.exists() or not json.loads(result.read_text())["ok"]:
        print(f"{name} …", flush=True)
        with (folder / "log.txt").open("a") as log:
            command = [sys.executable, "-m", "training.engine.reward", "--run-dir", str(folder)]
            subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False)
    answer: dict[str, Any] = json.loads(result.read_text())
    if not answer["ok"]:
        sys.exit(f"{name} failed: {answer['error']['message']}")
    return {"summary": answer["summary"], "checkpoint": str(folder / answer["checkpoint"])}


if __name__ == "__main__":
    main()
