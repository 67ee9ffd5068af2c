"""Reads of model versions: by reference, and where one came from and went to."""

from __future__ import annotations

from django.db.models import QuerySet

from people.models import Project
from training.models import Checkpoint, Run
from training.selectors.digests import digest_find


def checkpoint_find(*, project: Project, reference: str) -> Checkpoint | None:
    """The project's checkpoint with this digest, with the one digest that starts so, or with this name."""
    mine = Checkpoint.objects.filter(project=project)
    return digest_find(mine, reference) or mine.filter(name=reference).first()


def checkpoint_parents(checkpoint: Checkpoint) -> list[tuple[str, Checkpoint]]:
    """The checkpoints that this one was made from, with their part in it: "Policy" or "Reward model"."""
    run = checkpoint.run
    return [(label, parent) for label, parent in (("Policy", run.policy), ("Reward model", run.reward)) if parent]


def checkpoints_of(projects: QuerySet[Project]) -> QuerySet[Checkpoint]:
    """All model versions of these projects, newest first, with what a list shows of them."""
    found = Checkpoint.objects.filter(project__in=projects).select_related("project", "run__policy", "run__reward")
    return found.prefetch_related("runs_from", "runs_rewarded", "runs_sampled")


def checkpoint_uses(checkpoint: Checkpoint) -> list[Run]:
    """Every run that started from this checkpoint, was rewarded by it or sampled it, oldest first."""
    uses = (checkpoint.runs_from.all(), checkpoint.runs_rewarded.all(), checkpoint.runs_sampled.all())
    return sorted({run.pk: run for runs in uses for run in runs}.values(), key=lambda run: run.pk)
