"""The programs of one machine and how supervisor keeps them: pure text, no process is touched here."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """One supervised program. `patience`: seconds between TERM and KILL; less than 10 for all of them together."""

    name: str
    command: tuple[str, ...]
    patience: int


def programs(python: str, *, host: str, port: int, workers: int, threads: int) -> list[Program]:
    """gunicorn, the `default` and `train` workers and beat, in the order in which they start.

    The train worker runs its task in its own process (`solo`), one run at a time, so that TERM reaches the run at
    once; the default worker forks, so that a broken import never takes the worker with it.
    """
    celery = (python, "-m", "celery", "-A", "config")
    worker = (*celery, "worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return [
        Program(
            "web",
            (
                *(python, "-m", "gunicorn", "config.wsgi", "--bind", address(host, port), "--preload"),
                *("--workers", str(workers), "--threads", str(threads), "--graceful-timeout", "3"),
                *("--access-logfile", "-", "--max-requests", "20000", "--max-requests-jitter", "2000"),
                "--no-control-socket",
            ),
            patience=5,
        ),
        Program("default", (*worker, "-Q", "default", "-c", "2", "-n", "default@%h"), patience=5),
        Program("train", (*worker, "-Q", "train", "-P", "solo", "-c", "1", "-n", "train@%h"), patience=6),
        Program("beat", (*celery, "beat", "--loglevel", "WARNING", "--pidfile="), patience=3),
    ]


def address(host: str, port: int) -> str:
    """`host:port`, with the brackets that an IPv6 address needs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def configuration(kept: Sequence[Program], *, root: Path, var: Path, user: str | None) -> str:
    """A supervisord configuration: everything that dies comes back, and everything is asked to stop at the same time.

    `user` is root's name when root runs it, which supervisor wants said. No control socket: nobody talks to it.
    """
    logs = var / "log"
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "silent=true",
        f"logfile={_plain(logs / 'supervisor.log')}",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        f"pidfile={_plain(var / 'supervisor.pid')}",
        f"childlogdir={_plain(logs)}",
        *([f"user={user}"] if user else []),
        "",
        "[group:plumbline]",
        f"programs={','.join(program.name for program in kept)}",
    ]
    for program in kept:
        lines += [
            "",
            f"[program:{program.name}]",
            f"command={_plain(shlex.join(program.command))}",
            f"directory={_plain(root)}",
            f"stdout_logfile={_plain(logs / program.name)}.log",
            "stdout_logfile_maxbytes=10MB",
            "stdout_logfile_backups=2",
            "redirect_stderr=true",
            "autorestart=true",
            "startsecs=2",
            "startretries=20",
            f"stopwaitsecs={program.patience}",
            "killasgroup=true",
        ]
    return "\n".join(lines) + "\n"


def _plain(text: object) -> str:
    return str(text).replace("%", "%%")  # supervisor expands %(…)s
