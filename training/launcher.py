"""The only file that knows torchrun: start a run's processes, watch them, end every one of them. No Django.

torchrun puts each rank into a session of its own, so ending torchrun's process group is not enough: a rank that
outlives torchrun would hold the GPU. Every process of a run therefore carries two marks in its environment, the run
directory and the process that launched it, and whatever still carries a mark is found and ended by it, also by a later
process on the same machine when the launcher itself was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

RUN_MARK = "PLUMBLINE_RUN_DIR"
LAUNCHER_MARK = "PLUMBLINE_LAUNCHER"
LOG = "log.txt"
# What the web and the worker know and a training process has no business with.
_PRIVATE = ("SECRET_KEY", "PSEUDONYM_KEY", "DATABASE_URL", "REDIS_URL", "ARTIFACTS_URL", "DJANGO_SETTINGS_MODULE")
# Keys of the artifact store: the worker fetches and publishes, a run reads and writes local folders.
_STORE_KEYS = ("AWS_", "AZURE_STORAGE_", "GOOGLE_APPLICATION_CREDENTIALS", "FSSPEC_")
# glibc gives freed memory back to the kernel and faults it in again at every step: kept, SFT on CPU is a fifth faster.
_ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    # Threads wait for each other by spinning for some microseconds, then sleep. Spinning on burns the very core that
    # the awaited thread needs where another process is busy; never spinning costs a sixth where none is.
    "GOMP_SPINCOUNT": "10000",
}


class Launch:
    """The processes of one run, from torchrun down to the last rank."""

    def __init__(self, process: subprocess.Popen[bytes], run_dir: Path) -> None:
        self.process = process
        self.run_dir = run_dir

    def poll(self) -> int | None:
        """torchrun's exit code (negative: the signal that ended it), or None while it runs."""
        return self.process.poll()

    def stop(self, *, grace: float = 10.0) -> None:
        """End every process of the run: TERM, which torchrun passes to its ranks, then KILL after `grace` seconds.

        Returns when none is left. Calling it on a run that has ended ends what it may have left behind.
        """
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=grace)
        end(marked(self.run_dir), grace=0.0)
        self.process.wait()


def launch(
    run_dir: Path, module: str, *, processes: int = 1, dry_run: bool = False, env: dict[str, str] | None = None
) -> Launch:
    """Start `python -m module --run-dir run_dir` under torchrun, in a session of its own, output to `log.txt`.

    With `dry_run` the module is told `--dry-run`. `processes` is the number of ranks on this machine. `env` is added
    to the environment of the caller, from which addresses and secrets of the platform are removed. Raises OSError when
    the log cannot be written.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", module, "--run-dir", str(run_dir), *(["--dry-run"] if dry_run else [])]
    with (run_dir / LOG).open("ab") as log:
        return Launch(_start(command, log, environment(run_dir, processes, env or {})), run_dir)


def environment(run_dir: Path, processes: int, extra: dict[str, str]) -> dict[str, str]:
    """The environment of a run's processes. What the caller's environment sets already, threads included, is kept."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in _PRIVATE and not name.startswith(_STORE_KEYS)
    }
    return {
        **_ALLOCATOR,
        "OMP_NUM_THREADS": str(max(1, physical_cores() // processes)),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        **inherited,
        **extra,
        RUN_MARK: str(run_dir),
        LAUNCHER_MARK: _signature(psutil.Process()),
    }


def physical_cores() -> int:
    """Cores that this process may use; two hardware threads of one core count once."""
    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return max(1, min(physical, allowed))


def marked(run_dir: Path) -> list[psutil.Process]:
    """Every living process of the run in `run_dir` on this machine."""
    return [process for process, marks in _marked_processes() if marks[RUN_MARK] == str(run_dir)]


def orphans(below: Path) -> list[psutil.Process]:
    """Processes of runs below this directory whose launcher is gone: a worker that was killed left them."""
    return [
        process
        for process, marks in _marked_processes()
        if Path(marks[RUN_MARK]).is_relative_to(below) and not _lives(marks.get(LAUNCHER_MARK, ""))
    ]


def end(processes: list[psutil.Process], *, grace: float = 5.0) -> None:
    """TERM these processes and KILL after `grace` seconds those that are left; with 0, KILL at once."""
    if grace > 0:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, processes = psutil.wait_procs(processes, timeout=grace)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 5.0
    while any(_is_alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def _start(command: list[str], log: IO[bytes], env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=Path(__file__).resolve().parent.parent,
        start_new_session=True,
    )


def _marked_processes() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            marks = process.environ()
            if RUN_MARK in marks and _is_alive(process):
                yield process, marks


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signature(process: psutil.Process) -> str:
    return f"{process.pid}:{process.create_time():.2f}"


def _lives(signature: str) -> bool:
    try:
        process = psutil.Process(int(signature.partition(":")[0]))
        return _is_alive(process) and _signature(process) == signature
    except (ValueError, psutil.Error):
        return False
