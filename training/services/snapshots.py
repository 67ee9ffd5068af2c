"""Snapshots that labeling published: found in the artifact store, each recorded once."""

from __future__ import annotations

import logging

from django.core.cache import cache

from exchange.envelope import EnvelopeError
from exchange.snapshot import FORMAT, KIND
from people.models import Project
from training.models import PublishedSnapshot
from training.services.artifacts import store

logger = logging.getLogger(__name__)


def snapshots_poll() -> int:
    """Record every snapshot of the store that is not known yet; return how many were new.

    A snapshot of an unknown project, or one that cannot be read, is logged once an hour and left alone.
    """
    artifacts = store()
    known = set(PublishedSnapshot.objects.values_list("digest", flat=True))
    added = 0
    for digest in artifacts.list(KIND, known=known):
        try:
            manifest = artifacts.manifest(KIND, digest)
        except EnvelopeError as error:
            _log_once(digest, str(error))
            continue
        slug = manifest["meta"].get("project")
        project = Project.objects.filter(slug=slug).first() if isinstance(slug, str) else None
        if manifest["format"] != FORMAT or project is None:
            _log_once(digest, f"Snapshot {digest[:12]} is of an unknown project {slug!r}, so it is left alone.")
            continue
        _, created = PublishedSnapshot.objects.get_or_create(
            digest=digest, defaults={"project": project, "manifest": manifest}
        )
        added += created
    return added


def _log_once(digest: str, sentence: str) -> None:
    if cache.add(f"snapshot-ignored-{digest}", 1, timeout=3600):
        logger.warning(sentence)
