"""Limits: how many prompts of one author, how long, in which languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connection

from labeling.languages import language_of
from labeling.lengths import length_reason
from labeling.models import CurationStep, Prompt
from labeling.selectors.curation import Messages, prompts_by_age
from labeling.services.copying import copy_rows
from labeling.services.curation_verdicts import Verdict, verdicts_add
from labeling.services.jobs import in_use_lock
from labeling.services.task_lanes import lanes_follow

Report = Callable[[int], None]

_AT_ONCE = 200  # a prompt may have megabytes
_CAP = """
INSERT INTO curation_verdict
SELECT id, 'Number ' || number || ' of its {by}; the first ' || %(most)s || ' are kept.', NULL
FROM (
    SELECT id, row_number() OVER (PARTITION BY {by} ORDER BY created_at, id) AS number
    FROM labeling_prompt WHERE project_id = %(project)s AND dropped_by_id IS NULL AND {by} <> ''
) AS numbered
WHERE number > %(most)s
"""
_FILL = """
UPDATE labeling_prompt AS prompt SET language = told.language, language_step_id = %(step)s
FROM curation_language AS told WHERE prompt.id = told.prompt_id AND prompt.language = ''
"""


def drop_over_cap(step: CurationStep, report: Report) -> int:
    """Verdicts on all but the first prompts of each author or organisation; returns how many were looked at.

    Prompts without an organisation are not counted by it.
    """
    by = {"author": "author", "organisation": "organisation"}[step.options["by"]]
    with connection.cursor() as cursor:
        cursor.execute(_CAP.format(by=by), {"most": step.options["most"], "project": step.project_id})
    return Prompt.objects.filter(project=step.project, dropped_by=None).count()


def drop_by_length(step: CurationStep, report: Report) -> int:
    """Verdicts on prompts that are too short or too long; returns how many were looked at."""
    seen = 0

    def verdicts() -> Iterator[Verdict]:
        nonlocal seen
        for prompt_id, messages in prompts_by_age(step.project):
            seen += 1
            report(seen)
            if reason := length_reason(messages, **step.options):
                yield prompt_id, reason

    verdicts_add(verdicts())
    return seen


def drop_by_language(step: CurationStep, report: Report) -> int:
    """Fill in the languages that can be told, and verdicts on prompts in languages that are not kept. Open tasks go to
    the lanes of the languages told.

    A language that the source gave stays and counts as told. Returns how many prompts were looked at.
    """
    confidence, keep = step.options["confidence"] / 100, set(step.options["keep"])
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS curation_language")
        cursor.execute("CREATE TEMPORARY TABLE curation_language (prompt_id uuid, language text) ON COMMIT DROP")
    seen = 0

    def told() -> Iterator[tuple[UUID, str, bool]]:
        nonlocal seen
        prompts = Prompt.objects.filter(project=step.project, dropped_by=None).order_by("created_at", "pk")
        rows = prompts.values_list("pk", "messages", "language").iterator(chunk_size=_AT_ONCE)
        for prompt_id, messages, known in rows:
            seen += 1
            report(seen)
            language = known or language_of(_written(messages), confidence=confidence)
            if language:
                yield prompt_id, language, not known

    dropped: list[Verdict] = []

    def filled() -> Iterator[tuple[str, str]]:
        for prompt_id, language, is_told in told():
            if keep and _base(language) not in keep:
                dropped.append((prompt_id, f"Its language is {language}."))
                if len(dropped) == _AT_ONCE:
                    verdicts_add(dropped)
                    dropped.clear()
            if is_told:
                yield str(prompt_id), language

    copy_rows("curation_language", filled())
    verdicts_add(dropped)
    in_use_lock(project_id=step.project_id, changing=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_language")
        cursor.execute(_FILL, {"step": step.pk})
        step.filled = int(cursor.rowcount)
    lanes_follow(step)
    return seen


def languages_take_back(step: CurationStep) -> None:
    """Empty the languages that the step filled in; tasks go back to the lanes of before."""
    in_use_lock(project_id=step.project_id, changing=True)
    lanes_follow(step, is_undone=True)
    Prompt.objects.filter(project=step.project, language_step=step).update(language="", language_step=None)


def _written(messages: Messages) -> str:
    return "\n".join(message["content"] for message in messages if message["role"] == "user")


def _base(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()
