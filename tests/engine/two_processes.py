"""A run's script under torchrun with two gloo processes, for the tests that compare it with the same run in one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.engine.conftest import Ran, ended

ROOT = Path(__file__).resolve().parents[2]


def two_processes(kind: str, directory: Path) -> Ran:
    """Run a prepared directory to its end; fails with the log where the script does."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         "-m", f"training.engine.{kind}", "--run-dir", str(directory)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return ended(directory, done.returncode)
