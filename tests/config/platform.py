"""A really started platform for the tests: `manage.py up` in a directory and on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A TCP port that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def own_directory() -> Iterator[Path]:
    """A directory beside pytest's, whose own ones every session as root closes to PostgreSQL's user again."""
    folder = Path(tempfile.mkdtemp(prefix="plumbline-up-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(var: Path, port: int, **extra: str) -> dict[str, str]:
    """The environment of a machine where nothing is set but the directory, the port and the tiny model."""
    unset = ("DATABASE_URL", "REDIS_URL", "ARTIFACTS_URL", "PLUMBLINE_SUPERVISED", "DJANGO_ALLOW_ASYNC_UNSAFE", "HOST")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return kept | {"PLUMBLINE_VAR": str(var), "PORT": str(port), "BASE_MODEL": "tiny", "WEB_WORKERS": "1"} | extra


class Platform:
    """`manage.py up` and what it printed."""

    def __init__(self, var: Path, port: int, **extra: str) -> None:
        self.var, self.port = var, port
        self.site = f"http://127.0.0.1:{port}/"
        self.environment = environment(var, port, **extra)
        self.output = var.parent / f"up-{port}-{time.monotonic_ns()}.txt"
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """All that it printed so far."""
        return self.output.read_text()

    def wait_until_ready(self, seconds: float = 120) -> Platform:
        """Wait for its ready line."""
        deadline = time.monotonic() + seconds
        while "Plumbline is ready" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        return self

    def stop(self, number: int = signal.SIGINT) -> float:
        """Ask it to stop as a terminal would; return the seconds that it took."""
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - start

    def logs(self) -> str:
        """The ends of all logs, for the message of a test that failed."""
        found = [*self.var.glob("log/*.log"), *self.var.glob("runs/*/log.txt")]
        return "".join(f"\n== {path}\n{path.read_text(errors='replace')[-1500:]}" for path in sorted(found))

    def manage(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Another `manage.py` command against the same directory."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def living(var: Path) -> list[str]:
    """Command lines of every process that has to do with `var`: by its mark, or by the path on its command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            line = " ".join(process.cmdline())
            if process.environ().get("PLUMBLINE_SUPERVISED") == str(var) or str(var) in line:
                found.append(line)
        except (psutil.Error, OSError):
            continue
    return found
