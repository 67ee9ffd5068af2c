"""`manage.py import_file PATH --project SLUG --format NAME`: import a file of this machine and wait for the end."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.core.management.base import BaseCommand, CommandError

from labeling.formats import FORMATS
from labeling.models import Import
from labeling.services.imports import import_create, import_execute
from people.models import Project
from people.refusals import Refused


class Command(BaseCommand):
    """Import a file into a project, without a worker; the same checks as on the data page."""

    help = "Import a file into a project and wait until it is done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """File, project, format, and what to do with bad lines."""
        parser.add_argument("path", type=Path)
        parser.add_argument("--project", required=True, help="the project's slug")
        parser.add_argument("--format", required=True, choices=list(FORMATS))
        parser.add_argument("--on-error", default="abort", choices=Import.OnError.values)

    def handle(self, *args: Any, path: Path, project: str, format: str, on_error: str, **options: Any) -> None:
        """Import, print what came in and what was left out; CommandError with one sentence when nothing came in."""
        found = Project.objects.filter(slug=project).first()
        if found is None:
            raise CommandError(f"There is no project {project!r}.")
        try:
            with path.open("rb") as stream:
                upload = UploadedFile(File(stream), name=path.name, size=path.stat().st_size)
                job = import_create(project=found, upload=upload, format=format, on_error=on_error, user=None)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        import_execute(import_id=job.pk)
        job.refresh_from_db()
        for problem in job.problems:
            self.stderr.write(f"line {problem['line']}: {problem['reason']}")
        if job.state != Import.State.DONE:
            raise CommandError(
                job.error or f"The import is {job.get_state_display().lower()}: a worker took it first."
            )
        counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(job.counts.items()))
        left_out = f"; lines left out {job.problem_count}" if job.problem_count else ""
        not_used = f" {job.not_used}" if job.not_used else ""
        self.stdout.write(f"Import {job.pk}: {counts}{left_out}.{not_used}")
