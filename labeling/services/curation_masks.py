"""Masking: personal data in the prompts' text gives way to its kind; the original is kept where the project allows it.

All prompts are masked, those out of use too: a step that is undone later must not bring personal data back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db import connection

from labeling.masking import mask, original_digest
from labeling.models import CurationStep, PromptMask
from labeling.selectors.curation import Messages, prompts_by_age
from labeling.services.copying import NULL, copy_rows, json_cell
from labeling.services.projects import project_setup_ensure

Report = Callable[[int], None]

_KEEP = """
INSERT INTO labeling_promptmask (step_id, prompt_id, found, original, original_digest)
SELECT %(step)s, prompt_id, found, original, digest FROM curation_mask
"""
_APPLY = """
UPDATE labeling_prompt AS prompt SET messages = mask.messages
FROM curation_mask AS mask WHERE prompt.id = mask.prompt_id
"""
_TAKE_BACK = """
UPDATE labeling_prompt AS prompt SET messages = mask.original FROM labeling_promptmask AS mask
WHERE mask.step_id = %(step)s AND prompt.id = mask.prompt_id
"""


def mask_prompts(step: CurationStep, report: Report) -> tuple[int, int]:
    """Mask what the step's options name; returns how many prompts were looked at, and in how many something was."""
    keeps = project_setup_ensure(project=step.project).keep_originals
    columns = "prompt_id uuid, found jsonb, original jsonb, digest text, messages jsonb"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS curation_mask")
        cursor.execute(f"CREATE TEMPORARY TABLE curation_mask ({columns}) ON COMMIT DROP")
    seen = 0

    def masked() -> Iterator[tuple[str, ...]]:
        nonlocal seen
        for prompt_id, messages in prompts_by_age(step.project, dropped=True):
            seen += 1
            report(seen)
            changed, found = _masked(messages, step.options)
            if found:
                original = json_cell(messages) if keeps else NULL
                digest = original_digest(messages, key=settings.PSEUDONYM_KEY)
                yield str(prompt_id), json_cell(found), original, digest, json_cell(changed)

    changed = copy_rows("curation_mask", masked())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_mask")
        cursor.execute(_KEEP, {"step": step.pk})
        cursor.execute(_APPLY)
    return seen, changed


def masks_take_back(step: CurationStep) -> None:
    """Put back the originals. Before: all of them are kept, and no later step masks the same prompts."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, {"step": step.pk})
    PromptMask.objects.filter(step=step).delete()


def _masked(messages: Messages, options: dict[str, Any]) -> tuple[Messages, dict[str, int]]:
    found: Counter[str] = Counter()
    changed = []
    for message in messages:
        text, counted = mask(message["content"], kinds=options["kinds"], regions=options["regions"])
        found += counted
        changed.append({**message, "content": text})
    return changed, dict(found)
