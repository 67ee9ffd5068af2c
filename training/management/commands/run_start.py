"""`manage.py run_start --project demo --kind sft --snapshot 3f9c… [--set epochs=2] [--wait]`: start a run."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from people.models import Project, User
from people.refusals import Refused
from training import tasks
from training.engine.config import KINDS, PRESETS
from training.models import PublishedSnapshot, Run
from training.services.runs import run_create
from training.services.snapshots import snapshots_poll


class Command(BaseCommand):
    help = "Start a training or sampling run, as its page does. Prints the run's number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, help="the project's slug")
        parser.add_argument("--kind", required=True, choices=KINDS)
        parser.add_argument("--snapshot", default="", help="digest, or its start; left out: the project's newest")
        parser.add_argument("--preset", default="cpu", choices=PRESETS)
        parser.add_argument("--policy", default="", help="name or digest of the policy to start from")
        parser.add_argument("--reward", default="", help="name or digest of the reward model")
        parser.add_argument(
            "--model",
            action="append",
            default=[],
            dest="models",
            help='of a sample run, repeatable: "base" or a policy',
        )
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, repeatable")
        parser.add_argument("--name", default="", help="left out: the platform numbers it")
        parser.add_argument("--user", default="", help="who asks for it, by user name")
        parser.add_argument(
            "--dry-run", action="store_true", help="take the first steps only, say what the whole will cost; waits"
        )
        parser.add_argument("--wait", action="store_true", help="wait for the end; fails when the run does")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        user = User.objects.filter(username=options["user"]).first()
        if options["user"] and user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        snapshots_poll()
        newest = PublishedSnapshot.objects.filter(project=project).values_list("digest", flat=True).first()
        try:
            run, _ = run_create(
                project=project,
                kind=options["kind"],
                snapshot=options["snapshot"] or newest or "",
                preset=options["preset"],
                policy=options["policy"],
                reward=options["reward"],
                models=options["models"],
                settings=dict(_setting(text) for text in options["set"]),
                name=options["name"],
                requested_by=user,
                dry_run=options["dry_run"],
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        tasks.run_call(run.pk)
        self.stdout.write(f"{run} is queued: /runs/{run.pk}/")
        if options["wait"] or options["dry_run"]:
            self._wait(run)

    def _wait(self, run: Run) -> None:
        bar = None
        while not run.is_final:
            time.sleep(1)
            run.refresh_from_db()
            if run.total and (bar is None or bar.desc != f"{run}, {run.phase}: "):
                bar = tqdm(desc=f"{run}, {run.phase}", total=run.total, disable=not sys.stderr.isatty())
            if bar is not None:
                bar.n = run.done
                bar.refresh()
        if bar is not None:
            bar.close()
        for note in run.notes:
            self.stdout.write(note)
        if run.state != Run.State.SUCCEEDED:
            raise CommandError(f"{run} {run.get_state_display().lower()}. {run.error}".rstrip())
        for name, value in run.summary.items():
            if not isinstance(value, dict):  # tables are for the page
                self.stdout.write(f"{name} {value}")


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--set takes KEY=VALUE, not {text!r}.")
    return name.strip(), value.strip()
