"""`manage.py token NAME`: an API token for a user, printed once; for whoever may run commands on this machine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from people.models import User
from people.refusals import Refused
from people.services.tokens import token_create


class Command(BaseCommand):
    help = "Print a new API token of a user. It is shown once; only its hash is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default="", help="Left out: the first administrator.")
        parser.add_argument("--hours", type=int, default=24, help="How long it is good for.")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        wanted = {"username": name} if name else {"is_superuser": True}
        user = User.objects.filter(is_active=True, **wanted).order_by("pk").first()
        if user is None:
            raise CommandError(f"There is no active user {name!r}." if name else "There is no administrator.")
        try:
            made = token_create(user=user, name="manage.py token", lifetime=timedelta(hours=options["hours"]))
        except (Refused, OverflowError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(made.token)
