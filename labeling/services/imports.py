"""Files into a project: stored when they are uploaded, imported by a worker, as a whole or not at all."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone

from labeling.formats import SUFFIXES, check_file, parse_file
from labeling.formats.parsed import FileError, ParsedLine, Problem
from labeling.formats.reading import Position
from labeling.models import Import
from labeling.services.import_blocks import Block, Brought, Failed, block_add, block_prepare, check_brought
from labeling.services.jobs import job_claim, prompts_lock
from labeling.services.projects import project_setup_ensure
from labeling.services.prompts import Intake
from labeling.services.underway import Reporter
from labeling.services.uploads import upload_delete
from people.models import Project, User
from people.refusals import Refused

logger = logging.getLogger(__name__)

MAX_BYTES = 2 * 1024**3
# What is in memory at a time, whichever is reached first.
PROMPTS_AT_ONCE = 10_000
CHARACTERS_AT_ONCE = 16 * 1024**2
_GONE = "The uploaded file is no longer in the upload folder; upload it again."


def import_create(
    *, project: Project, upload: UploadedFile[bytes], format: str, on_error: str, user: User | None
) -> Import:
    """Store an uploaded file under a name of our own and queue its import.

    Raises Refused when the file cannot be of that format at all; then nothing is stored.
    """
    if on_error not in Import.OnError.values:
        raise Refused(f"on_error must be 'abort' or 'skip', not {on_error!r}.")
    if (upload.size or 0) > MAX_BYTES:
        raise Refused(f"The file is larger than {MAX_BYTES // 1024**3} GiB; split it.")
    name = PurePosixPath((upload.name or "").replace("\\", "/")).name
    name = "".join(c for c in name if c.isprintable())[-200:].strip() or "upload"
    suffix = Path(name).suffix.lower()
    path = Path(settings.UPLOADS_DIR) / str(project.pk) / f"{uuid.uuid4()}{suffix if suffix in SUFFIXES else ''}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            for chunk in upload.chunks():
                stream.write(chunk)
        check_file(path, format)
        return Import.objects.create(
            project=project, format=format, file_name=name, path=str(path), on_error=on_error, requested_by=user
        )
    except FileError as error:
        path.unlink()
        raise Refused(str(error)) from error
    except OSError as error:
        path.unlink(missing_ok=True)
        logger.exception("an upload could not be stored")
        raise Refused(f"The file could not be stored: {error.strerror or type(error).__name__}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def import_execute(*, import_id: int) -> bool:
    """Claim a queued import and run it; return whether it was this call that ran it.

    Before: the row is QUEUED; otherwise nothing happens, so a second delivery is harmless. After: DONE with all that
    the file brings and the file gone, or FAILED with one sentence and the project as it was.
    """
    if not job_claim(Import, pk=import_id):
        return False
    try:
        with transaction.atomic():
            job = Import.objects.select_for_update(of=("self",)).select_related("project").get(pk=import_id)
            _finish(import_id, Import.State.DONE, _bring_in(job))
        upload_delete(Path(job.path))
    except Failed as failure:
        found = Brought(problems=failure.problems, problem_count=len(failure.problems))
        _finish(import_id, Import.State.FAILED, found, error=str(failure))
    except Exception:
        logger.exception("import %s failed", import_id)
        sentence = "Unexpected error while importing; nothing was imported. The worker's log has the details."
        _finish(import_id, Import.State.FAILED, Brought(), error=sentence)
    return True


def _bring_in(job: Import) -> Brought:
    """Read the file in blocks and add them; all in the caller's transaction. Raises Failed."""
    prompts_lock(project=job.project, wait=True)
    intake = Intake(source=job, setup=project_setup_ensure(project=job.project))
    position = Position()
    brought = Brought(unused=position.unused)
    progress = Reporter(job, total=_size(job))
    try:
        blocks = (block_prepare(items, intake=intake) for items in _blocks(job, position))
        for block in _ahead(blocks):
            block_add(block, intake=intake, brought=brought, on_error=job.on_error)
            progress.report(position.read)
    finally:
        progress.end()
    check_brought(brought)
    return brought


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, each read and prepared by a thread while PostgreSQL is busy with the one before."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        following = reader.submit(next, blocks, None)
        while (block := following.result()) is not None:
            following = reader.submit(next, blocks, None)
            yield block


def _blocks(job: Import, position: Position) -> Iterator[list[ParsedLine | Problem]]:
    """The file's lines in blocks of a bounded size. Raises Failed."""
    try:
        block: list[ParsedLine | Problem] = []
        prompts = characters = 0
        for item in parse_file(Path(job.path), job.format, position):
            block.append(item)
            if isinstance(item, ParsedLine):
                prompts += len(item.prompts)
                characters += item.size
            if prompts >= PROMPTS_AT_ONCE or characters >= CHARACTERS_AT_ONCE or len(block) >= PROMPTS_AT_ONCE:
                yield block
                block, prompts, characters = [], 0, 0
        if block:
            yield block
    except FileError as error:
        raise Failed(str(error), []) from error
    except FileNotFoundError as error:
        raise Failed(_GONE, []) from error


def _size(job: Import) -> int:
    try:
        return Path(job.path).stat().st_size
    except FileNotFoundError as error:
        raise Failed(_GONE, []) from error


def _finish(import_id: int, state: Import.State, brought: Brought, *, error: str = "") -> None:
    Import.objects.filter(pk=import_id).update(**brought.fields, state=state, error=error, finished_at=timezone.now())
