"""Reads of rating forms: the newest one of a project, or the one that a label was given under."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.forms import DEFAULT_FIELDS, Field, read_fields
from labeling.models import RatingForm
from people.models import Project


@dataclass(frozen=True)
class Form:
    """What is asked about each answer and about the prompt. Version 0 is the form of a project that has none."""

    version: int
    fields: tuple[Field, ...]
    prompt_fields: tuple[Field, ...]


def form_of(project: Project, version: int | None = None) -> Form:
    """One version of the project's rating form, the newest when none is named; the default one where there is none."""
    if version == 0:
        return Form(0, DEFAULT_FIELDS, ())
    versions = RatingForm.objects.filter(project=project).order_by("-version")
    row = (versions if version is None else versions.filter(version=version)).first()
    if row is None:
        return Form(0, DEFAULT_FIELDS, ())
    return Form(row.version, read_fields(row.fields), read_fields(row.prompt_fields))
