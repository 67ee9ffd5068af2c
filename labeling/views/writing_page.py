"""The demonstration page: what it shows and how its form is read."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from exchange.text import storable_text
from labeling.filled import filled
from labeling.forms import values_from_texts
from labeling.models import Assignment
from labeling.selectors.forms import form_of
from labeling.selectors.writing import typical_length
from labeling.services.demonstrations import TEXT_MAX, demonstration_submit
from people.models import User

TEMPLATE = "labeling/demonstrate.html"
PROMPT_PREFIX = "prompt-"


def form_given(posted: QueryDict, assignment: Assignment) -> dict[str, Any]:
    """The posted fields in the shape of a draft."""
    fields = form_of(assignment.task.project, assignment.form_version).prompt_fields
    texts = {field.name: storable_text(posted.get(PROMPT_PREFIX + field.name, "")) for field in fields}
    about_prompt = {"prompt": values_from_texts(fields, texts)} if fields else {}
    return {"text": storable_text(posted.get("text", "")), **about_prompt}


def label_values(given: dict[str, Any]) -> dict[str, Any]:
    """What the form gave, as the service of a label takes it."""
    return {"text": given["text"], "prompt_values": given.get("prompt", {})}


def doubted(given: dict[str, Any], assignment: Assignment) -> list[str]:
    """What a person is asked about before it is submitted: nothing, of a text."""
    return []


def submit(labeler: User, assignment: Assignment, key: str, given: dict[str, Any], **effort: Any) -> None:
    """Submit what the form gave. Raises Refused."""
    demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key=key, **label_values(given), **effort)


def context(assignment: Assignment, draft: dict[str, Any]) -> dict[str, Any]:
    """What the template needs beside the workplace's own."""
    text = draft.get("text")
    form = form_of(assignment.task.project, assignment.form_version)
    return {
        "text": text if isinstance(text, str) else "",
        "text_max": TEXT_MAX,
        "typical": typical_length(assignment.task.project),
        "prompt_fields": filled(form.prompt_fields, draft.get("prompt"), PROMPT_PREFIX),
    }


def label_given(assignment: Assignment) -> dict[str, Any]:
    """The submitted answer, for reading."""
    return {"label": assignment.demonstrations.get(superseded_at=None)}


def label_draft(assignment: Assignment) -> dict[str, Any]:
    """The submitted answer in the shape of a draft, to be corrected."""
    label = assignment.demonstrations.get(superseded_at=None)
    return {"text": label.text, "prompt": label.prompt_values}
