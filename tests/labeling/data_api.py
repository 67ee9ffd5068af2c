"""For the tests of the data API: clients of a project's people, prompts, files to upload."""

from __future__ import annotations

import json

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from labeling.models import Prompt
from people.models import Membership, Project, User


def client_of(project: Project | None, role: str | None) -> APIClient:
    user = User.objects.create_user(f"user-{role}-{User.objects.count()}")
    if project is not None and role is not None:
        Membership.objects.create(user=user, project=project, role=role)
    client = APIClient()
    client.force_authenticate(user)
    return client


def make_prompt(project: Project, name: str = "one", split: str = "train") -> Prompt:
    return Prompt.objects.create(
        project=project,
        external_id=name,
        messages=[{"role": "user", "content": f"Question {name}?"}],
        author=f"author of {name}",
        split=split,
    )


def jsonl(*lines: object) -> SimpleUploadedFile:
    return SimpleUploadedFile("prompts.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
