"""`manage.py up`: the whole platform on this machine, until Ctrl-C.

In this order: the lock of `var/`, what a killed start left behind, the servers, `prepare`, the supervised programs,
the first answer over HTTP. Stopping goes the other way round and takes less than ten seconds.
"""

from __future__ import annotations

import contextlib
import getpass
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from config import embedded, processes, programs
from config.single import Lock, TakenError

LOCK = "up.lock"
_START_PATIENCE = 90.0  # seconds until the first page, on a machine that is busy with other things
_STOP_PATIENCE = 6.5  # for all programs together; the servers after them take less than a second


class Command(BaseCommand):
    help = "Start PostgreSQL and Valkey where no address is set, then serve until Ctrl-C."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        var: Path = settings.VAR
        site = address()
        self.stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())
        try:
            with Lock(var / LOCK, site):
                os.environ["PLUMBLINE_VAR"] = os.environ[processes.MARK] = str(var)
                (var / "log").mkdir(exist_ok=True)
                if left := _end_all(var):
                    self._say(f"Ended {left} processes that an earlier start had left behind.")
                _check_port(settings.HOST, settings.PORT)
                try:
                    self._serve(var, site)
                finally:
                    _end_all(var)
        except TakenError as error:
            raise CommandError(f"Plumbline already runs at {error.note or site} (data in {var}).") from None
        self._say("Stopped.")

    def _serve(self, var: Path, site: str) -> None:
        _start_servers(var)
        with _child([sys.executable, "manage.py", "prepare"], new_session=False) as prepare:
            if self._ended(prepare) is None:
                return
            if prepare.returncode != 0:
                raise CommandError("The platform could not be prepared; the reason stands above.")
        path = var / "supervisor.conf"
        path.write_text(_configuration(var))
        log = var / "log" / "supervisor.log"
        with _child([sys.executable, "-m", "supervisor.supervisord", "-c", str(path)], new_session=True) as supervisor:
            for _ in range(int(_START_PATIENCE / 0.2)):
                if self._ended(supervisor, 0.2) is not None:
                    raise CommandError(f"The supervisor did not start; see {log}.")
                if self.stopping.is_set():
                    return
                if answers(f"{site}login/"):
                    break
            else:
                raise CommandError(f"No page came within {_START_PATIENCE:.0f} s; see {var / 'log' / 'web.log'}.")
            self._say(f"Plumbline is ready: {site}  ·  admin: {site}admin/  ·  API: {site}api/v1/docs/")
            self._say(f"Logs: {var / 'log'}  ·  Ctrl-C stops everything.")
            if self._ended(supervisor) is not None:
                raise CommandError(f"The supervisor ended by itself; see {log}.")

    def _ended(self, process: subprocess.Popen[bytes], seconds: float = math.inf) -> int | None:
        """Wait until the process ends, somebody wants to stop, or time is up; return the exit code if it ended."""
        waited = 0.0
        while process.poll() is None and waited < seconds and not self.stopping.wait(0.1):
            waited += 0.1
        return process.poll()

    def _say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stdout.write(line)
            self.stdout.flush()


def address() -> str:
    """The address to open in a browser on this machine."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared, not bound
    return f"http://{programs.address(here, settings.PORT)}/"


def _configuration(var: Path) -> str:
    kept = programs.programs(
        sys.executable,
        host=settings.HOST,
        port=settings.PORT,
        workers=settings.WEB_WORKERS,
        threads=settings.WEB_THREADS,
    )
    user = getpass.getuser() if os.geteuid() == 0 else None
    return programs.configuration(kept, root=settings.BASE_DIR, var=var, user=user)


def _start_servers(var: Path) -> None:
    try:
        database_url = os.environ.get("DATABASE_URL") or embedded.start_postgres(var)
        redis_url = os.environ.get("REDIS_URL") or embedded.start_valkey(var)
    except Exception as error:  # two wheels with errors of their own: whatever it is, nothing can be served
        raise CommandError(f"An embedded server did not start in {var}: {error}") from error
    embedded.write_addresses(var, database_url=database_url, redis_url=redis_url)


def _end_all(var: Path) -> int:
    """End every process of `var`, then its servers; return how many processes there were."""
    ended = processes.end_marked(var, patience=1.0)
    if not os.environ.get("REDIS_URL"):
        embedded.stop_valkey(var)
    if not os.environ.get("DATABASE_URL"):
        embedded.stop_postgres(var)
    return ended


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot serve on {programs.address(host, port)} ({error.strerror}); set PORT to a free one."
            ) from None


@contextlib.contextmanager
def _child(command: list[str], *, new_session: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A process that gets TERM, then the patience of all programs, when the block is left."""
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=new_session)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_PATIENCE)


def answers(url: str) -> bool:
    """Whether a page of this machine comes."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never ask a proxy for this machine
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
