"""Runs of which one process dies by kill −9 between two passes of a step, for the tests of exact resume.

    torchrun --nproc-per-node=2 -m tests.engine.killed JOBS

runs several directories one after the other, each in processes of its own. They are forks of these two, which have
imported everything, as that takes longer than a tiny run.
"""

import itertools
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.engine.two_processes import torchrun


@dataclass(frozen=True)
class Job:
    """A prepared run directory for so many processes. The last of them kills itself after `passes` backward passes; 0
    lets it live.
    """

    kind: str
    directory: str
    ranks: int = 1
    passes: int = 0


def run_each(jobs: Sequence[Job], folder: Path) -> None:
    """Run each job in turn; fails with the log where one ends otherwise than it should."""
    file = folder / "jobs.json"
    file.write_text(json.dumps([asdict(job) for job in jobs]), encoding="utf-8")
    torchrun("-m", "tests.engine.killed", str(file))


def _main(file: str) -> None:
    rank = int(os.environ["RANK"])
    for number, job in enumerate(Job(**values) for values in json.loads(Path(file).read_text(encoding="utf-8"))):
        if rank < job.ranks:
            child = os.fork()
            if not child:
                _run(job, number, rank)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            dies = job.passes > 0 and rank == job.ranks - 1
            assert code == (-signal.SIGKILL if dies else min(job.passes, 1)), (job, rank, code)


def _run(job: Job, number: int, rank: int) -> None:
    import torch
    import torch.distributed as dist

    from tests.engine.chain import MAINS
    from training.engine.runtime import execute

    torch.set_num_threads(1)
    os.environ["WORLD_SIZE"] = str(job.ranks)
    if job.ranks > 1:  # torchrun's own meeting place still knows the processes of the job before
        place = f"file://{job.directory}.meeting-{number}"
        dist.init_process_group("gloo", init_method=place, rank=rank, world_size=job.ranks)
    if job.passes and rank == job.ranks - 1:
        _die_after(job.passes)
    os._exit(execute(job.kind, MAINS[job.kind], Path(job.directory)))


def _die_after(passes: int) -> None:
    import torch

    usual, made = torch.Tensor.backward, itertools.count(1)

    def backward(*args, **kwargs) -> None:
        usual(*args, **kwargs)
        if next(made) == passes:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.Tensor.backward = backward


if __name__ == "__main__":
    from tests.engine import chain  # noqa: F401 - once, before any fork

    _main(sys.argv[1])
