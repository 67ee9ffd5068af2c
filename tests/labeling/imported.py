"""Importing a file's content in a test, as the platform does it."""

from __future__ import annotations

import json

from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.models import Import
from labeling.services.imports import import_create, import_execute
from people.models import Project


def run_import(
    project: Project, content: bytes | str | list[object], *, name="file.jsonl", format="prompts", on_error="abort"
) -> Import:
    """Upload and run an import; a list is written as JSON lines."""
    if isinstance(content, list):
        content = "".join(json.dumps(line) + "\n" for line in content)
    upload = SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)
    job = import_create(project=project, upload=upload, format=format, on_error=on_error, user=None)
    assert import_execute(import_id=job.pk)
    job.refresh_from_db()
    return job
