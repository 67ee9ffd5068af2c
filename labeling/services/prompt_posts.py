"""Prompts that come over the API, some at a time: added at once, by the same rules as those of a file."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.formats.prompts import note_unused, parse_value
from labeling.formats.reading import parse_row
from labeling.models import Import
from labeling.services.import_blocks import Brought, Failed, block_add, block_prepare, check_brought
from labeling.services.jobs import prompts_lock
from labeling.services.projects import project_setup_ensure
from labeling.services.prompts import Intake
from people.models import Project, User
from people.refusals import Conflict, Refused

AT_ONCE = 1_000


@transaction.atomic
def prompts_post(*, project: Project, values: list[Any], on_error: str, user: User | None) -> Import:
    """Add prompts, each a parsed JSON value as a line of the format `prompts` has; as a whole or not at all.

    Returns the import that they were, which is done. Raises Refused for more than `AT_ONCE`, and for a bad prompt
    (the first, or where `on_error` leaves bad ones out, when all are bad); Conflict while an import or a curation step
    of the project runs.
    """
    if on_error not in Import.OnError.values:
        raise Refused(f"on_error must be 'abort' or 'skip', not {on_error!r}.")
    if not 1 <= len(values) <= AT_ONCE:
        raise Refused(f"Give 1 to {AT_ONCE:,} prompts at a time, not {len(values):,}; a file may have any number.")
    if not prompts_lock(project=project, wait=False):
        raise Conflict("An import or a curation step of this project is under way; try again when it is done.")
    now = timezone.now()
    job = Import.objects.create(
        project=project,
        format="prompts",
        file_name="API",
        on_error=on_error,
        state=Import.State.DONE,
        requested_by=user,
        started_at=now,
    )
    brought = Brought()
    for value in values:
        note_unused(value, brought.unused)
    try:
        intake = Intake(source=job, setup=project_setup_ensure(project=project))
        items = [parse_row(number, value, parse_value) for number, value in enumerate(values, start=1)]
        block = block_prepare(items, intake=intake)
        block_add(block, intake=intake, brought=brought, on_error=on_error, unit="Prompt")
        check_brought(brought, unit="Prompt")
    except Failed as failure:
        raise Refused(str(failure)) from failure
    for name, value in brought.fields.items():
        setattr(job, name, value)
    job.finished_at = timezone.now()
    job.save()
    return job
