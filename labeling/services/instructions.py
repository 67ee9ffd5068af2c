"""Writing instructions: versions are added, never changed."""

from __future__ import annotations

from django.db import transaction

from labeling.models import Instructions
from people.models import Project
from people.refusals import Refused

MAX_CHARACTERS = 200_000


@transaction.atomic
def instructions_add(*, project: Project, text: str, change_note: str = "") -> Instructions:
    """Add the next version of a project's instructions.

    The same text as the newest version adds nothing and returns that version. Raises Refused for an empty text.
    """
    if not text.strip():
        raise Refused("Instructions must not be empty.")
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"Instructions may have at most {MAX_CHARACTERS:,} characters.")
    if "\x00" in text or "\x00" in change_note:
        raise Refused("Instructions must not contain NUL characters.")
    Project.objects.select_for_update().get(pk=project.pk)  # one writer at a time numbers the versions
    newest = Instructions.objects.filter(project=project).order_by("-version").first()
    if newest is not None and newest.text == text:
        return newest
    version = newest.version + 1 if newest is not None else 1
    return Instructions.objects.create(project=project, version=version, text=text, change_note=change_note[:300])
