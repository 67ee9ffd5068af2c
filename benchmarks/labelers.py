"""Labelers as programs: each keeps one connection, takes a task and answers it, over and over, for a time."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

WARM_UP = 4.0  # seconds
Answer = tuple[int, Any]


class Client:
    """One labeler's connection to a server: JSON in, JSON out, kept alive."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._headers = {"Content-Type": "application/json", **headers}
        self.connect(port)

    def connect(self, port: int) -> None:
        """Start anew, as after an error."""
        self._port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=300)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Status and parsed body. A connection that the server closed meanwhile is opened again, as a browser does."""
        sent = None if body is None else json.dumps(body)
        try:
            return self._ask(method, path, sent, headers)
        except (ConnectionError, HTTPException):
            self.connect(self._port)
            return self._ask(method, path, sent, headers)

    def _ask(self, method: str, path: str, sent: str | None, headers: dict[str, str]) -> Answer:
        self._connection.request(method, path, sent, self._headers | headers)
        answer = self._connection.getresponse()
        read = answer.read()
        return answer.status, json.loads(read) if read else None


@dataclass
class Measured:
    """What one labeler saw: seconds of each `next` and `submit`, and answers that were no labels."""

    next: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


Work = Callable[[int, Callable[[str, Callable[[], Answer]], Any]], bool]


def label_for(seconds: float, labelers: int, work: Work, programs: dict[str, int]) -> dict[str, Any]:
    """Let `labelers` threads repeat `work(number, timed)`, first to warm up, then for `seconds`; sum up what they saw.

    `work` makes its two calls through `timed("next" | "submit", call)` and returns False when nothing is left.
    `programs` are process ids; the processor time of each and of its children is counted per label.
    """
    _run(WARM_UP, labelers, work)
    before = {name: _spent(pid) for name, pid in programs.items()}
    seen = _run(seconds, labelers, work)
    labels = sum(len(measured.submit) for measured in seen)
    failed = [sentence for measured in seen for sentence in measured.failed]
    return {
        "labels_per_second": round(labels / seconds, 1),
        "labels": labels,
        "next_ms": _quantiles([value for measured in seen for value in measured.next]),
        "submit_ms": _quantiles([value for measured in seen for value in measured.submit]),
        "cpu_ms_per_label": {
            name: round((_spent(pid) - before[name]) * 1000 / max(labels, 1), 1) for name, pid in programs.items()
        },
        "failed": len(failed),
        "first_failures": failed[:3],
    }


def postmaster(pid_file: Path) -> int:
    """The process of a PostgreSQL server."""
    return int(pid_file.read_text().split("\n", 1)[0])


def _run(seconds: float, labelers: int, work: Work) -> list[Measured]:
    """What each labeler saw in `seconds`; a call that ends later is not counted."""
    end = time.perf_counter() + seconds
    seen = [Measured() for _ in range(labelers)]

    def run(number: int) -> None:
        def timed(name: str, call: Callable[[], Answer]) -> Any:
            before = time.perf_counter()
            status, body = call()
            after = time.perf_counter()
            if status >= 400:
                seen[number].failed.append(f"{name} {status}: {str(body)[:200]}")
            elif after <= end:
                getattr(seen[number], name).append(after - before)
            return body

        while time.perf_counter() < end and work(number, timed):
            pass

    threads = [threading.Thread(target=run, args=(number,)) for number in range(labelers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def _spent(pid: int) -> float:
    """Processor seconds so far of a process and of its children, those that have ended included."""
    parent = psutil.Process(pid)
    ended = parent.cpu_times()
    times = [process.cpu_times() for process in [parent, *parent.children(recursive=True)]]
    return sum(time.user + time.system for time in times) + ended.children_user + ended.children_system


def _quantiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {name: round(cuts[int(name[1:]) - 1] * 1000, 1) for name in ("p50", "p95", "p99")}
