"""Freezing a project's labels: requested by a person, done by a worker, published to the artifact store."""

from __future__ import annotations

import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from exchange.envelope import EnvelopeError, read_manifest
from exchange.records import RecordError
from exchange.snapshot import KIND, write_snapshot
from exchange.store import Store
from labeling.models import Prompt, Snapshot
from labeling.pseudonyms import pseudonym
from labeling.selectors.frozen import (
    BrokenLabel,
    frozen_agreement,
    frozen_demonstrations,
    frozen_facts,
    frozen_prompts,
    frozen_rankings,
)
from labeling.services.jobs import job_claim
from labeling.splits import RULE
from people.models import Project, User
from people.refusals import Refused

logger = logging.getLogger(__name__)


def snapshot_create(*, project: Project, user: User | None) -> Snapshot:
    """Queue a snapshot of the project. Raises Refused when the project has nothing to freeze."""
    if not Prompt.objects.filter(project=project).exists():
        raise Refused(f"{project.name} has no prompts yet, so there is nothing to freeze; import some first.")
    return Snapshot.objects.create(project=project, requested_by=user)


def snapshot_execute(*, snapshot_id: int, store: Store) -> bool:
    """Claim a queued snapshot, freeze and publish it; return whether it was this call that did.

    Before: the row is QUEUED; otherwise nothing happens. After: DONE with the digest that the store has, or FAILED
    with one sentence and nothing published. The same data gives the same digest.
    """
    if not job_claim(Snapshot, pk=snapshot_id):
        return False
    try:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:  # all reads below see the project at one moment
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            job = Snapshot.objects.select_for_update(of=("self",)).select_related("project").get(pk=snapshot_id)
            digest, counts = _publish(job.project, store)
            _finish(snapshot_id, Snapshot.State.DONE, digest=digest, counts=counts)
    except (BrokenLabel, EnvelopeError) as error:
        _finish(snapshot_id, Snapshot.State.FAILED, error=str(error))
    except RecordError as error:
        _finish(snapshot_id, Snapshot.State.FAILED, error=f"A label cannot be frozen: {error}.")
    except OSError as error:
        logger.exception("snapshot %s failed", snapshot_id)
        reason = error.strerror or type(error).__name__
        _finish(snapshot_id, Snapshot.State.FAILED, error=f"The snapshot could not be written: {reason}.")
    except Exception:
        logger.exception("snapshot %s failed", snapshot_id)
        sentence = "Unexpected error while freezing; nothing was published. The worker's log has the details."
        _finish(snapshot_id, Snapshot.State.FAILED, error=sentence)
    return True


def _publish(project: Project, store: Store) -> tuple[str, dict[str, Any]]:
    hidden = partial(pseudonym, key=settings.PSEUDONYM_KEY, project=project.slug)
    building = Path(settings.ARTIFACTS_CACHE)
    building.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="snapshot-", dir=building) as folder:
        _, directory = write_snapshot(
            Path(folder),
            project=project.slug,
            prompts=frozen_prompts(project),
            demonstrations=frozen_demonstrations(project, hidden),
            rankings=frozen_rankings(project, hidden),
            meta={"split_rule": RULE, **frozen_facts(project), "agreement": frozen_agreement(project)},
        )
        counts: dict[str, Any] = read_manifest(directory)["meta"]["counts"]
        return store.put(KIND, directory), counts


def _finish(
    snapshot_id: int,
    state: Snapshot.State,
    *,
    digest: str = "",
    counts: dict[str, Any] | None = None,
    error: str = "",
) -> None:
    Snapshot.objects.filter(pk=snapshot_id).update(
        state=state, digest=digest, counts=counts or {}, error=error, finished_at=timezone.now()
    )
