"""The run directory from the engine's side: config.json in; metrics.jsonl, result.json out.

`run_main` is what every script ends with: it reads the configuration, prepares device, precision, seed and ranks,
calls the script's `main(run)` and turns whatever happens into result.json and an exit code.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
import transformers

from training.engine import answer_file, memory, stopping, trackers
from training.engine import config as settings_module
from training.engine.answer_file import failure, finite_figures
from training.engine.device import own_device, precision
from training.engine.errors import RunError, RunStopped
from training.engine.rehearsal import Ended, Rehearsal
from training.engine.reporter import Reporter

STOPPED = "The run was stopped."
UNEXPECTED = "An unexpected error ended the run; its log has the details."
# How long ranks wait for one another: the first writes and hashes states and checkpoints alone, NCCL's ten minutes may
# be too few for that.
PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Run:
    """Everything that a script knows of its run. `inputs` is config.json's, `settings` the kind's own class."""

    kind: str
    directory: Path
    inputs: dict[str, Any]
    settings: Any
    report: Reporter
    device: torch.device
    dtype: torch.dtype
    rank: int = 0
    world: int = 1
    identity: dict[str, Any] = field(default_factory=dict)
    code_version: str = ""


@dataclass(frozen=True)
class Result:
    """What a script returns: flat figures for the run's page, and what it wrote, relative to the run directory."""

    summary: dict[str, Any]
    checkpoint: str | None = None
    digest: str | None = None
    completions: str | None = None


def run_main(kind: str, main: Callable[[Run], Result], argv: list[str] | None = None) -> None:
    """Run a script as a process: parse --run-dir, call `main`, write result.json last, exit 0 only on success."""
    parser = argparse.ArgumentParser(prog=f"training.engine.{kind}")
    parser.add_argument("--run-dir", required=True, type=Path, help="the run directory with its config.json")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check data, memory and disk, take a few steps, say what the run will cost",
    )
    options = parser.parse_args(argv)
    directory = options.run_dir.resolve()
    if not directory.is_dir():
        parser.error(f"there is no run directory {directory}")
    stopping.install()
    _end_with_launcher()
    code = execute(kind, main, directory, dry_run=options.dry_run)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # an ordinary exit may wait for threads of libraries; everything is written by now


def execute(kind: str, main: Callable[[Run], Result], directory: Path, *, dry_run: bool = False) -> int:
    """One run in this process: `main` on the directory's config.json, result.json written; returns the exit code.

    A dry run leaves nothing but result.json, whose summary says what the run will cost.
    """
    is_first = int(os.environ.get("RANK", "0")) == 0
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    run: Run | None = None
    try:
        if is_first:
            (directory / "result.json").unlink(missing_ok=True)
        run = open_run(kind, directory, dry_run=dry_run)
        result = _rehearse(run, main) if dry_run else main(run)
        summary = finite_figures(result.summary)
        if lost := sorted(result.summary.keys() - summary.keys()):
            run.report.note(f"Figures that were not finite are left out: {', '.join(lost)}.")
        answer = {"ok": True, "summary": summary, "checkpoint": result.checkpoint, "digest": result.digest,
                  "completions": result.completions}  # fmt: skip
        answer = {name: value for name, value in answer.items() if value is not None}
    except RunStopped:
        answer = failure("person", STOPPED)
    except RunError as error:
        answer = failure("person", str(error))
    except Exception as error:
        traceback.print_exc()
        if memory.ran_out(error):
            answer = failure("person", memory.advice(run and run.settings))
        elif answer_file.disk_is_full(error):
            answer = failure("person", f"The disk is full: make room in {directory}, then let the run go on.")
        else:
            answer = failure("engineer", UNEXPECTED)
    stopping.ignore()  # too late: the answer is being written
    # When another rank has failed, torchrun stops this one: the reason already written must stand.
    stopped_by_failure = not answer["ok"] and (directory / "result.json").exists()
    if (is_first or not answer["ok"]) and not stopped_by_failure:
        answer = answer_file.write(directory / "result.json", answer)
    if run is not None and run.report.trackers is not None:
        run.report.trackers.finish()
    if not answer["ok"]:
        print(answer["error"]["message"], flush=True)
    elif dist.is_initialized():
        dist.destroy_process_group()
    return 0 if answer["ok"] else 1


def _rehearse(run: Run, main: Callable[[Run], Result]) -> Result:
    """The run's first steps in a folder of its own, and what they say of the whole."""
    rehearsal = cast(Rehearsal, run.report)
    run.directory.mkdir(exist_ok=True)
    try:
        with suppress(Ended):
            main(run)
        s = run.settings
        figures = rehearsal.figures(run.directory.parent, s.episodes // s.rollout_batch if run.kind == "ppo" else None)
    finally:
        if run.rank == 0:
            shutil.rmtree(run.directory, ignore_errors=True)
    for name, value in figures.items() if run.rank == 0 else ():
        print(f"{name} {value:,}", flush=True)
    return Result(figures)


def open_run(kind: str, directory: Path, *, dry_run: bool = False) -> Run:
    """Read and check config.json, join the other ranks, seed. Raises RunError for a configuration that cannot run."""
    config = _read_config(directory)
    if config.get("kind") != kind:
        raise RunError(f"The run directory holds a run of kind {config.get('kind')!r}, not {kind!r}.")
    try:
        settings = settings_module.settings_for(kind, "paper", config["settings"])
    except settings_module.SettingsError as error:
        raise RunError(str(error)) from error
    inputs = config["inputs"]
    for name in settings_module.required_inputs(settings):
        if not inputs.get(name) and not (name == "policy" and name in inputs):
            raise RunError(f"A run of kind {kind} needs {_article(name)}.")
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = own_device()
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    seed_everything(settings.seed)
    dtype = precision(settings.dtype, device)
    names = trackers.wanted()
    if dry_run:
        names, report, directory = [], Rehearsal(device, rank == 0), directory / "dry-run"
    else:
        report = Reporter(directory / "metrics.jsonl" if rank == 0 else None, memory.peaks)
    name = config.get("run", {}).get("name", kind)
    if names and rank == 0:
        report.trackers = trackers.Trackers(names, name, directory, report.note)
    print(f"{name}: {kind} on {device}, {str(dtype).removeprefix('torch.')}, {world} process(es)", flush=True)
    return Run(kind, directory, inputs, settings, report, device, dtype, rank, world, config.get("run", {}),
               config.get("code_version", ""))  # fmt: skip


class Clock:
    """Seconds of training: since it was made, after `before` that an earlier part of the run took."""

    def __init__(self, before: float = 0.0) -> None:
        self._start = time.monotonic() - before

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start


def seed_everything(seed: int) -> None:
    """Seed Python's and torch's generators, on every device."""
    random.seed(seed)
    torch.manual_seed(seed)


def all_sum(run: Run, values: list[float]) -> list[float]:
    """Each value summed over the ranks, in float64."""
    if run.world == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64, device=run.device)
    dist.all_reduce(total)
    return total.tolist()


def _read_config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"There is no config.json in {directory}.") from error
    except ValueError as error:
        raise RunError(f"The config.json in {directory} is not valid JSON.") from error
    if not isinstance(config, dict) or not isinstance(config.get("settings"), dict | None):
        raise RunError(f"The config.json in {directory} must be an object with kind, inputs and settings.")
    return {"settings": {}, "inputs": {}, **config}


def _article(name: str) -> str:
    return {"policies": "at least one policy", "reward": "a reward model"}.get(name, f"a {name}")


def _end_with_launcher() -> None:
    """Under torchrun, end when it has gone: its workers have sessions of their own and would outlive a SIGKILL."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os._exit(143)

    threading.Thread(target=watch, daemon=True, name="launcher-watch").start()
