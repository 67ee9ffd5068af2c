"""Writing demonstrations: a labeler's own answer to a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from exchange.text import written
from labeling.forms import FormError, check_values
from labeling.models import Assignment, Demonstration, Task
from labeling.selectors.forms import form_of
from labeling.services.assignments import assignment_close, assignment_is_repeat, assignment_lock, provenance_of
from labeling.services.effort import effort_note
from people.models import User
from people.refusals import Refused

TEXT_MAX = 100_000


@transaction.atomic
def demonstration_submit(
    *,
    assignment_id: UUID,
    labeler: User,
    key: str,
    text: str,
    prompt_values: Mapping[str, Any] | None = None,
    focus_seconds: int = 0,
    signals: Mapping[str, Any] | None = None,
) -> tuple[Demonstration, bool]:
    """Add the demonstration and close its slot; returns it and whether it is new.

    The same key again returns the first answer, unchanged. White space around the text is dropped. `prompt_values` are
    the form's answers about the prompt, `focus_seconds` and `signals` what the workplace measured. Raises Refused for
    an empty or overlong text, values that break the form and someone else's task, Conflict when the task is submitted
    under another key.
    """
    assignment = assignment_lock(assignment_id=assignment_id, labeler=labeler)
    if assignment_is_repeat(assignment=assignment, kind=Task.Kind.DEMONSTRATION, key=key):
        return Demonstration.objects.get(assignment=assignment, correction_key=""), False
    demonstration = demonstration_add(assignment=assignment, labeler=labeler, text=text, prompt_values=prompt_values)
    effort_note(assignment=assignment, focus_seconds=focus_seconds, signals=signals)
    assignment_close(assignment=assignment, key=key)
    return demonstration, True


def demonstration_add(
    *,
    assignment: Assignment,
    labeler: User,
    text: str,
    prompt_values: Mapping[str, Any] | None = None,
    correction_key: str = "",
) -> Demonstration:
    """The label itself, for the labeler's locked assignment, which stays as it is.

    Raises Refused when it breaks its rule.
    """
    text = written(text)
    if not text:
        raise Refused("The answer is empty; write one before submitting.")
    if len(text) > TEXT_MAX:
        raise Refused(f"The answer is {len(text):,} characters long; keep it to {TEXT_MAX:,}.")
    try:
        form = form_of(assignment.task.project, assignment.form_version)
        values = check_values(form.prompt_fields, prompt_values or {})
    except FormError as error:
        raise Refused(str(error)) from error
    return Demonstration.objects.create(
        prompt_id=assignment.task.prompt_id,
        text=text,
        labeler=labeler,
        provenance=provenance_of(labeler),
        instructions_version=assignment.instructions_version,
        form_version=assignment.form_version,
        prompt_values=values,
        assignment=assignment,
        correction_key=correction_key,
    )
