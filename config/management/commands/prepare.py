"""`manage.py prepare`: what must stand before anything is served: tables, static files, a first administrator."""

from __future__ import annotations

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
            admin, _ = User.objects.get_or_create(username="admin")  # one that lost its rights gets them back
            admin.is_superuser = admin.is_staff = admin.is_active = True
            admin.set_password(password)
            admin.save()
            self.stdout.write(f"Administrator: admin, password {password}  (shown this once; it is stored nowhere)")
