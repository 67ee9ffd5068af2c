"""Every process that belongs to one `var/`, found by a mark in its environment, and how to end them all.

`manage.py up` marks its children; a mark is inherited through every fork, exec and new session, so a run that torchrun
left behind is found like a web worker. (PostgreSQL and Valkey write over their environment; `embedded` finds those.)
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

MARK = "PLUMBLINE_SUPERVISED"


def marked(var: Path) -> list[psutil.Process]:
    """Processes that were started for `var`, this one and its ancestors excepted."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(var):
                found.append(process)
        except (psutil.Error, OSError):  # another person's, or gone
            continue
    return found


def end_marked(var: Path, patience: float = 2.0) -> int:
    """TERM to every process of `var`, KILL to those that remain after `patience` seconds; return how many there were.

    It goes on until none is left: a supervisor may start one more while it is being ended.
    """
    ended: set[int] = set()
    step, deadline = signal.SIGTERM, time.monotonic() + patience
    told: set[int] = set()
    while left := marked(var):
        ended |= {process.pid for process in left}
        if step == signal.SIGTERM and time.monotonic() > deadline:
            step, told = signal.SIGKILL, set()
        for process in left:
            if process.pid in told:
                continue
            told.add(process.pid)
            try:
                process.send_signal(step)
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    return len(ended)
