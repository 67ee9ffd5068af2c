"""`manage.py demo [DATA]`: the main job against the running platform, over HTTP; starts one where none runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from config.demo.budget import BUDGETS, FITTED
from config.demo.client import Client
from config.demo.machine import CannotLook, look
from config.demo.progress import Progress, StageFailed
from config.demo.report import table
from config.demo.stages import Plan, main_job
from config.management.commands.up import LOCK, answers
from config.single import Lock, TakenError, holder

_START_PATIENCE = 120.0


class Command(BaseCommand):
    help = "Import data, train SFT, a reward model and PPO, and send samples back to the people. Then keep serving."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("data", nargs="?", type=Path, default=settings.BASE_DIR / "sample" / "prompts.jsonl")
        parser.add_argument("--exit", action="store_true", default=_said_yes("DEMO_EXIT"), help="Stop at the end.")
        parser.add_argument("--budget", default=os.environ.get("DEMO_BUDGET") or "short", help=", ".join(BUDGETS))

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        data = options["data"].expanduser().resolve()
        if not data.is_file():
            raise CommandError(f"There is no file {data}.")
        if options["budget"] not in BUDGETS:
            raise CommandError(f"There is no budget {options['budget']!r}; there are {', '.join(BUDGETS)}.")
        plan = Plan(
            data=data,
            instructions=settings.BASE_DIR / "sample" / "instructions.md",
            runs=settings.RUNS_DIR,
            logs=settings.VAR / "log",
            budget=options["budget"],
        )
        try:
            with Lock(settings.VAR / "demo.lock", str(os.getpid())):
                if plan.budget == FITTED:
                    plan = replace(plan, machine=look(settings.BASE_DIR))
                self._run(plan, options["exit"])
        except TakenError as error:
            raise CommandError(f"A demo runs already (process {error.note}).") from None
        except CannotLook as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped.") from None

    def _run(self, plan: Plan, is_to_exit: bool) -> None:
        with _platform() as (site, own):
            self._demo(site, plan, is_stopping=own is not None and is_to_exit)
            if own is not None and not is_to_exit:
                self.stdout.write("\nThe platform keeps serving; Ctrl-C stops it.")
                with contextlib.suppress(KeyboardInterrupt):
                    own.wait()

    def _demo(self, site: str, plan: Plan, *, is_stopping: bool) -> None:
        # The one thing that does not go over HTTP: a first token, for whoever may run commands on this machine.
        token = subprocess.run(
            [sys.executable, "manage.py", "token"], cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
        )
        if token.returncode != 0:
            raise CommandError(f"No token could be made: {token.stderr.strip()}")
        self.stdout.write(f"Demo with {plan.data.name}. Budget: {plan.said}.")
        try:
            outcome = main_job(Client(site, token.stdout.strip()), plan, Progress())
        except StageFailed as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write("\n" + table(outcome, site, is_stopping=is_stopping))


@contextlib.contextmanager
def _platform() -> Iterator[tuple[str, subprocess.Popen[bytes] | None]]:
    """The address of the platform that runs, or of one that is started here and ends with the block."""
    path = settings.VAR / LOCK
    own = None
    if not holder(path):
        own = subprocess.Popen([sys.executable, "manage.py", "up"], cwd=settings.BASE_DIR)
    try:
        yield _wait_until_ready(path, own), own
    finally:
        if own is not None:
            own.terminate()
            with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C: it is stopping already
                own.wait()


def _wait_until_ready(path: Path, own: subprocess.Popen[bytes] | None) -> str:
    deadline = time.monotonic() + _START_PATIENCE
    while time.monotonic() < deadline:
        if own is not None and own.poll() is not None:
            raise CommandError("The platform did not start; the reason stands above.")
        site = holder(path)
        if site and answers(f"{site}login/"):
            return site
        time.sleep(0.2)
    raise CommandError(f"The platform did not answer within {_START_PATIENCE:.0f} s; see {settings.VAR / 'log'}.")


def _said_yes(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "yes", "true", "on")
