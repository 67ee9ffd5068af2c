"""How fast this machine multiplies, and how much of the demo's short budget fits it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from training.launcher import physical_cores

# GFLOP/s with which the whole short budget ends in time, with room: on two cores it took eleven and a half minutes at
# 390 (bf16), twenty-six and a half at 160 (fp32).
ENOUGH = 300.0
_LEAST = 0.2  # the least with which each stage still does something


class CannotLook(Exception):
    """The engine did not answer. The message says why."""


@dataclass(frozen=True)
class Machine:
    """What trainers compute on here: "cpu" or "cuda:0", "fp32" or "bf16", and its matrix products in GFLOP/s."""

    device: str
    dtype: str
    gflops: float

    @property
    def share(self) -> float:
        """How much of the short budget fits, in tenths, so that a machine gets the same again: 0.2 to 1."""
        return min(1.0, max(_LEAST, round(self.gflops / ENOUGH, 1)))

    def __str__(self) -> str:
        return f"{self.gflops:,.0f} GFLOP/s in {self.dtype} on {self.device}"


def look(root: Path) -> Machine:
    """Ask the engine, which alone knows torch, in a process of its own with a run's threads (a few seconds).

    Raises CannotLook where it cannot be run.
    """
    command = [sys.executable, "-m", "training.engine.device"]
    threads = {"OMP_NUM_THREADS": str(physical_cores()), **os.environ}
    said = subprocess.run(command, cwd=root, env=threads, capture_output=True, text=True, check=False)
    if said.returncode != 0:
        raise CannotLook(f"The engine cannot be started: {said.stderr.strip()[-2000:]}")
    return Machine(**json.loads(said.stdout))
