"""`manage.py snapshot_freeze --project SLUG`: freeze a project now and print the snapshot's digest."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.models import Snapshot
from labeling.services.snapshots import snapshot_create, snapshot_execute
from labeling.tasks import artifact_store
from people.models import Project
from people.refusals import Refused


class Command(BaseCommand):
    """Freeze and publish a snapshot, without a worker."""

    help = "Freeze a project's prompts and labels and print the digest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which project."""
        parser.add_argument("--project", required=True, help="the project's slug")

    def handle(self, *args: Any, project: str, **options: Any) -> None:
        """Freeze and print the digest; CommandError with one sentence when nothing was published."""
        found = Project.objects.filter(slug=project).first()
        if found is None:
            raise CommandError(f"There is no project {project!r}.")
        try:
            snapshot = snapshot_create(project=found, user=None)
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        snapshot_execute(snapshot_id=snapshot.pk, store=artifact_store())
        snapshot.refresh_from_db()
        if snapshot.state != Snapshot.State.DONE:
            raise CommandError(snapshot.error or "A worker took the snapshot first; look at the data page.")
        self.stdout.write(snapshot.digest)
