"""Importing a file's content in a test, as the platform does it."""

from __future__ import annotations

import json

from django.core.files.uploadedfile import SimpleUploadedFile

from labeling.models import Completion, Demonstration, Import, Prompt, Ranking, Task
from labeling.services.imports import import_create, import_execute
from people.models import Project

TABLES = (Prompt, Demonstration, Completion, Ranking, Task)
# A line that lacks nothing but its ranking.
RANKED = {"prompt": "p", "completions": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]}


def rows() -> list[int]:
    """How many there are of each that an import makes."""
    return [table.objects.count() for table in TABLES]


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
