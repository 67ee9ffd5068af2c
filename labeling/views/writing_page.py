"""The demonstration page: what it shows and how its form is read."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from exchange.text import storable_text
from labeling.models import Assignment
from labeling.services.demonstrations import TEXT_MAX, demonstration_submit
from people.models import User

TEMPLATE = "labeling/demonstrate.html"


def form_given(posted: QueryDict, assignment: Assignment) -> dict[str, Any]:
    """The posted fields in the shape of a draft."""
    return {"text": storable_text(posted.get("text", ""))}


def submit(labeler: User, assignment: Assignment, key: str, given: dict[str, Any]) -> None:
    """Submit what the form gave. Raises Refused."""
    demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key=key, text=given["text"])


def context(assignment: Assignment, draft: dict[str, Any]) -> dict[str, Any]:
    """What the template needs beside the workplace's own."""
    text = draft.get("text")
    return {"text": text if isinstance(text, str) else "", "text_max": TEXT_MAX}


def label_given(assignment: Assignment) -> dict[str, Any]:
    """The submitted answer, for reading."""
    return {"label": assignment.demonstrations.get(superseded_at=None)}
