"""Writing rating forms: versions are added, never changed."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from exchange.text import storable_text
from labeling.forms import FormError, check_names, read_fields
from labeling.models import RatingForm
from people.models import Project
from people.refusals import Refused

NOTE_MAX = 300


@transaction.atomic
def rating_form_add(*, project: Project, fields: Any, prompt_fields: Any = (), change_note: str = "") -> RatingForm:
    """Add the next version of a project's rating form: definitions of fields about an answer and about the prompt.

    The same fields as the newest version add nothing and return that version. Raises Refused for definitions that
    break the rule of `labeling.forms`, for a form that asks nothing and for too long a note.
    """
    try:
        asked = _written(fields)
    except FormError as error:
        raise Refused(f"About each answer: {error}") from error
    try:
        of_prompt = _written(prompt_fields)
    except FormError as error:
        raise Refused(f"About the prompt: {error}") from error
    if not asked and not of_prompt:
        raise Refused("A form asks at least one thing.")
    if len(change_note) > NOTE_MAX:
        raise Refused(f"The note on what changed may have at most {NOTE_MAX} characters.")
    Project.objects.select_for_update().get(pk=project.pk)  # one writer at a time numbers the versions
    newest = RatingForm.objects.filter(project=project).order_by("-version").first()
    if newest is not None and (newest.fields, newest.prompt_fields) == (asked, of_prompt):
        return newest
    return RatingForm.objects.create(
        project=project,
        version=newest.version + 1 if newest is not None else 1,
        fields=asked,
        prompt_fields=of_prompt,
        change_note=storable_text(change_note.strip()),
    )


def _written(definitions: Any) -> list[dict[str, Any]]:
    fields = read_fields(definitions)
    check_names(fields)
    return [field.as_json() for field in fields]
