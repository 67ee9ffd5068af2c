"""Uploaded files go when they are no longer needed: a person's data stays in the project, not in a folder."""

from __future__ import annotations

import logging
import re
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from labeling.models import Import

logger = logging.getLogger(__name__)

# A file whose import failed can be looked at for as long.
FAILED_KEPT = timedelta(days=7)
# A file that no import names may still be on its way in, or was left by an upload that broke off.
UNNAMED_KEPT = timedelta(days=1)
_OUR_NAME = re.compile(r"[0-9]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.[a-z0-9]+)?")


def upload_delete(path: Path) -> None:
    """Delete an uploaded file, if it is still there. One that cannot be deleted is left for the next sweep."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("The upload %s could not be deleted: %s.", path, error.strerror or error)


def uploads_sweep() -> int:
    """Delete what was left behind in the upload folder; return how many files.

    That is files of imports that are done, of imports that failed a week ago, and files a day old that no import
    names. A file under a name that is not ours is left alone.
    """
    folder = Path(settings.UPLOADS_DIR)
    files = [path for path in folder.glob("*/*") if _OUR_NAME.fullmatch(path.relative_to(folder).as_posix())]
    if not files:
        return 0
    jobs = {job.path: job for job in Import.objects.filter(path__in=[str(path) for path in files])}
    left = [path for path in files if _is_over(path, jobs.get(str(path)))]
    for path in left:
        upload_delete(path)
    return len(left)


def _is_over(path: Path, job: Import | None) -> bool:
    if job is None:
        try:
            return path.stat().st_mtime < time.time() - UNNAMED_KEPT.total_seconds()
        except FileNotFoundError:
            return False
    if job.state == Import.State.FAILED:
        return job.finished_at is not None and job.finished_at < timezone.now() - FAILED_KEPT
    return job.state == Import.State.DONE
