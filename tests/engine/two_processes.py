"""A run's script under torchrun with two gloo processes, for the tests that compare it with the same run in one.

    torchrun --nproc-per-node=2 -m tests.engine.two_processes JOBS

runs several directories one after the other in the same two processes: starting them takes longer than a tiny run.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.engine.conftest import Ran, ended

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Job:
    """A prepared run directory; with `saved` the state is saved after so many steps, the run ends after `last`, and a
    copy of the state is kept.
    """

    kind: str
    directory: str
    saved: int = 0
    last: int = 0
    keep: str = ""


def two_processes(kind: str, directory: Path) -> Ran:
    """Run a prepared directory to its end; fails with the log where the script does."""
    torchrun("-m", f"training.engine.{kind}", "--run-dir", str(directory))
    return ended(directory, 0)


def two_processes_each(jobs: Sequence[Job], folder: Path) -> list[Ran]:
    """Run each job in turn, in one pair of processes; what each left behind when all were done."""
    file = folder / "jobs.json"
    file.write_text(json.dumps([asdict(job) for job in jobs]), encoding="utf-8")
    torchrun("-m", "tests.engine.two_processes", str(file))
    return [ended(Path(job.directory), 0) for job in jobs]


def torchrun(*arguments: str) -> None:
    """Two processes of a module, to their end; fails with their log where they do."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _main(file: str) -> None:
    import pytest
    import torch
    import torch.distributed as dist

    from tests.engine.chain import MAINS
    from tests.engine.test_resume import killed_after
    from training.engine.runtime import execute

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    dist.destroy_process_group = lambda: None  # one group for all of them
    for job in (Job(**values) for values in json.loads(Path(file).read_text(encoding="utf-8"))):
        with pytest.MonkeyPatch.context() as patched:
            if job.saved:
                killed_after(patched, job.last, saved=job.saved)
            code = execute(job.kind, MAINS[job.kind], Path(job.directory))
        assert code == (1 if job.saved else 0), job
        if job.keep and dist.get_rank() == 0:
            shutil.copytree(Path(job.directory) / "state", job.keep)
        dist.barrier()
    os._exit(0)


if __name__ == "__main__":
    _main(sys.argv[1])
