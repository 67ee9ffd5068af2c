"""What a curation rule decides about prompts: gathered in a temporary table, applied at once, taken back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection

from labeling.models import CurationStep, Prompt
from labeling.services.copying import NULL, cell, copy_rows
from labeling.services.jobs import in_use_lock
from labeling.services.tasks import tasks_restore, tasks_withdraw

Verdict = tuple[UUID, str]  # the prompt that goes, and why

_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS curation_verdict (prompt_id uuid, reason text, duplicate_of uuid) ON COMMIT DROP
"""
_APPLY = """
UPDATE labeling_prompt AS prompt
SET dropped_by_id = %(step)s, drop_reason = verdict.reason, duplicate_of_id = verdict.duplicate_of
FROM curation_verdict AS verdict
WHERE prompt.id = verdict.prompt_id AND prompt.dropped_by_id IS NULL
"""


def verdicts_begin() -> None:
    """An empty table of verdicts, for this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute("TRUNCATE curation_verdict")


def verdicts_add(verdicts: Iterable[Verdict]) -> None:
    """Add verdicts as they come."""
    copy_rows("curation_verdict", ((str(prompt_id), cell(reason), NULL) for prompt_id, reason in verdicts))


def verdicts_apply(step: CurationStep, *, at: datetime) -> int:
    """Drop the prompts by `step` and withdraw their tasks, marked with `at`; return how many prompts."""
    in_use_lock(project_id=step.project_id, changing=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_verdict")
        cursor.execute(_APPLY, {"step": step.pk})
        dropped = int(cursor.rowcount)
    tasks_withdraw(prompts=Prompt.objects.filter(dropped_by=step), at=at)
    return dropped


def verdicts_take_back(step: CurationStep) -> None:
    """Bring back the prompts that `step` dropped, and the tasks that it withdrew."""
    in_use_lock(project_id=step.project_id, changing=True)
    dropped = Prompt.objects.filter(dropped_by=step)
    if step.finished_at is not None:
        tasks_restore(prompts=dropped, at=step.finished_at)
    dropped.update(dropped_by=None, drop_reason="", duplicate_of=None)
