"""`manage.py prepare`: what must stand before anything is served: tables, static files, a first administrator."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connection


class Command(BaseCommand):
    help = "Migrate, collect static files and, where there is no administrator yet, make one."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            connection.ensure_connection()
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {str(error).splitlines()[0]}") from error
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        User = get_user_model()
        if not User.objects.filter(is_superuser=True, is_active=True).exists():
            password = secrets.token_urlsafe(12)
            # Whoever has a name already gets no rights by it.
            names = itertools.chain(["admin"], (f"admin{number}" for number in itertools.count(2)))
            name = next(name for name in names if not User.objects.filter(username=name).exists())
            User.objects.create_superuser(name, password=password)
            self.stdout.write(f"Administrator: {name}, password {password}  (shown this once; it is stored nowhere)")
