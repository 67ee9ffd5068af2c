"""What the demonstration page shows beside the text: how long answers of the project are, and earlier drafts."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection
from redis.exceptions import RedisError

from labeling.models import Assignment, DraftRevision
from people.models import Project

SAMPLE = 1_000
FEWEST = 10
_KEEP_SECONDS = 600


@dataclass(frozen=True)
class TypicalLength:
    """Words of the project's demonstrations: the 10th, 50th and 90th percentile of `n` of them, drawn by their id."""

    low: int
    middle: int
    high: int
    n: int


def typical_length(project: Project) -> TypicalLength | None:
    """How long the project's standing demonstrations are; None below 10 of them. Kept for ten minutes.

    Ids are random, so the first 1,000 by id are a fair sample that the primary key finds without sorting. A word is a
    run without white space.
    """
    key = f"labeling.typical_length.{project.pk}"
    try:
        found = cache.get(key)
        if found is None:
            found = _measure(project)
            cache.set(key, found, _KEEP_SECONDS)
    except RedisError:  # a figure beside the editor is not worth a page
        return None
    low, middle, high, n = found
    return TypicalLength(low, middle, high, n) if n >= FEWEST else None


def revisions_of(assignment: Assignment) -> list[DraftRevision]:
    """The earlier drafts that are kept, newest first."""
    return list(DraftRevision.objects.filter(assignment=assignment).order_by("-number"))


def revision_of(assignment: Assignment, number: int) -> DraftRevision | None:
    """One of the drafts that are kept."""
    return DraftRevision.objects.filter(assignment=assignment, number=number).first()


def _measure(project: Project) -> tuple[int, int, int, int]:
    # percentile_disc takes a length that occurs; the ORM has neither it nor regexp_count.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT percentile_disc(ARRAY[0.1, 0.5, 0.9]) WITHIN GROUP (ORDER BY words), count(*)
            FROM (
                SELECT regexp_count(d.text, '\\S+') AS words
                FROM labeling_demonstration d JOIN labeling_prompt p ON p.id = d.prompt_id
                WHERE p.project_id = %s AND d.superseded_at IS NULL
                ORDER BY d.id LIMIT %s
            ) AS sample
            """,
            [project.pk, SAMPLE],
        )
        percentiles, n = cursor.fetchone()
    low, middle, high = percentiles or (0, 0, 0)
    return low, middle, high, n
