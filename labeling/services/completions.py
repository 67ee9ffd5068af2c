"""The way back: completion batches that training published, imported once and opened as ranking tasks."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction

from exchange import records
from exchange.completions import FORMAT, KIND, VERSION, read_batch
from exchange.envelope import EnvelopeError, read_manifest
from exchange.store import Store
from exchange.text import storable_text
from labeling.models import Completion, CompletionBatch, ProjectSetup, Prompt, Task
from labeling.services.dialogues import comparison_open, turn_writer
from labeling.services.projects import project_setup_ensure
from labeling.services.tasks import shares_of, task_open
from people.models import Project

logger = logging.getLogger(__name__)

RANKING = "ranking"
# Fresh answers of the newest models come before what waits already.
PRIORITY = 10
_ROWS_AT_ONCE = 2000
_WIDTHS = {"external_id": 200, "model": 120, "checkpoint": 64}


class _BrokenBatch(Exception):
    """The batch says something that cannot be. The message is one sentence."""


def completion_batches_poll(*, store: Store) -> int:
    """Import every batch of the store that is not known yet; return how many were dealt with.

    A broken batch is kept as a row with the reason, so that it is not tried again until someone deletes the row. A
    store that cannot be reached right now is tried again at the next poll.
    """
    known = set(CompletionBatch.objects.values_list("digest", flat=True))
    return sum(completion_batch_import(digest=digest, store=store) for digest in store.list(KIND, known=known))


def completion_batch_import(*, digest: str, store: Store) -> bool:
    """Import one batch; return False when it was there already or the store could not be reached."""
    manifest: dict[str, Any] = {}
    try:
        directory = store.fetch(KIND, digest)
        manifest = read_manifest(directory, format=FORMAT)
        _write(digest, manifest, directory)
    except (EnvelopeError, _BrokenBatch) as error:
        return _keep_broken(digest, manifest, str(error))
    except OperationalError:
        raise
    except IntegrityError:
        if CompletionBatch.objects.filter(digest=digest).exists():
            return False  # another worker was first
        logger.exception("completion batch %s", digest)
        return _keep_broken(digest, manifest, "Unexpected error; the worker's log has the details.")
    except OSError:
        logger.exception("completion batch %s could not be fetched; it is tried again", digest)
        return False
    except Exception:
        logger.exception("completion batch %s", digest)
        return _keep_broken(digest, manifest, "Unexpected error; the worker's log has the details.")
    return True


@transaction.atomic
def _write(digest: str, manifest: dict[str, Any], directory: Path) -> None:
    if manifest["version"] > VERSION:
        raise _BrokenBatch(f"The batch has format version {manifest['version']}; this platform reads {VERSION}.")
    project = _project_of(manifest)
    if project is None:
        raise _BrokenBatch("The batch does not say which project it is of, or that project does not exist here.")
    # The digest is unique: a second worker waits here for the first one and then fails.
    batch = CompletionBatch.objects.create(digest=digest, project=project, manifest=manifest)
    answers = list(read_batch(directory))
    prompts = _prompts(project, answers)
    rows: dict[str, Completion] = {}
    by_prompt: dict[UUID, list[Completion]] = {}
    for answer in answers:
        if answer.id in rows:
            raise _BrokenBatch(f"The batch has two completions with the id {answer.id!r}.")
        row = _row(batch, prompts[answer.prompt_id], answer)
        rows[answer.id] = row
        by_prompt.setdefault(row.prompt_id, []).append(row)
    Completion.objects.bulk_create(rows.values(), batch_size=_ROWS_AT_ONCE)
    batch.completions_count = len(rows)
    if manifest["meta"].get("purpose") == RANKING:
        _open_tasks(batch, project, by_prompt)
    batch.save()


def _open_tasks(batch: CompletionBatch, project: Project, by_prompt: dict[UUID, list[Completion]]) -> None:
    """Ranking tasks for each prompt with at least two different texts, K in each; equal texts are asked about once.

    Replies to a turn of a dialogue become one comparison, offered to the labeler who wrote the turn.
    """
    setup: ProjectSetup = project_setup_ensure(project=project)
    asked: list[list[Completion]] = []
    turns: list[list[Completion]] = []
    for completions in by_prompt.values():
        first: dict[str, Completion] = {}
        for completion in completions:
            first.setdefault(completion.text.strip(), completion)
        distinct = list(first.values())
        batch.same_text += len(completions) - len(distinct)
        if len(distinct) < 2:
            batch.prompts_without_task += 1
            continue
        if turn_writer(distinct[0].prompt) is not None:
            turns.append(distinct)
        else:
            asked += shares_of(distinct, setup.answers_per_task)
    opened = task_open(
        setup=setup,
        kind=Task.Kind.RANKING,
        prompts=[completions[0].prompt for completions in asked],
        completions=asked,
        priority=PRIORITY,
        batch=batch,
    )
    for replies in turns:
        comparison_open(prompt=replies[0].prompt, completions=replies, priority=PRIORITY, batch=batch)
    batch.tasks_opened = len(opened) + len(turns)


def _prompts(project: Project, answers: list[records.Completion]) -> dict[str, Prompt]:
    wanted = Counter(answer.prompt_id for answer in answers)
    ids = {name: _uuid(name) for name in wanted}
    found = Prompt.objects.filter(project=project).in_bulk([pk for pk in ids.values() if pk is not None])
    for name, pk in ids.items():
        if pk not in found:
            raise _BrokenBatch(f"The batch answers the prompt {name!r}, which {project.name} does not have.")
    return {name: found[pk] for name, pk in ids.items() if pk is not None}


def _row(batch: CompletionBatch, prompt: Prompt, answer: records.Completion) -> Completion:
    texts = {"id": answer.id, "text": answer.text, "model": answer.model, "checkpoint": answer.checkpoint or ""}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise _BrokenBatch(f"A completion's {name} must be text, not {value!r}.")
    row = Completion(
        prompt=prompt,
        external_id=f"{batch.digest[:12]}:{answer.id}",
        text=storable_text(answer.text),
        model=storable_text(answer.model),
        checkpoint=storable_text(texts["checkpoint"]),
        sampling={**answer.sampling, "finish": answer.finish, "tokens": answer.tokens},
        batch=batch,
    )
    for name, limit in _WIDTHS.items():
        if len(getattr(row, name)) > limit:
            raise _BrokenBatch(f"The {name} of completion {answer.id[:40]!r} is longer than {limit} characters.")
    return row


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _project_of(manifest: dict[str, Any]) -> Project | None:
    meta = manifest.get("meta")
    slug = meta.get("project") if isinstance(meta, dict) else None
    return Project.objects.filter(slug=slug).first() if isinstance(slug, str) else None


def _keep_broken(digest: str, manifest: dict[str, Any], sentence: str) -> bool:
    CompletionBatch.objects.get_or_create(
        digest=digest, defaults={"project": _project_of(manifest), "manifest": manifest, "error": sentence}
    )
    return True
