"""`manage.py run_resume 12`: let a failed or stopped run go on from its saved state."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from people.refusals import Refused
from training import tasks
from training.models import Run
from training.services.runs import run_resume


class Command(BaseCommand):
    help = "Queue a run that failed or was stopped, to go on from its saved state, as the button on its page does."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, help="the run's number, as in its address")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = run_resume(run_id=options["run"])
        except Run.DoesNotExist as error:
            raise CommandError(f"There is no run {options['run']}.") from error
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        tasks.run_call(run.pk)
        self.stdout.write(f"{run} goes on from step {run.saved_step}: /runs/{run.pk}/")
