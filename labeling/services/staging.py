"""Parsed prompts on their way into the project: copied into a temporary table, then added by set-based statements.

The table belongs to the transaction and is gone with it. What a statement costs does not hang on the number of prompts
that the project has, and Python never holds more than a block of rows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from labeling.services.copying import cell, copy_lines, json_cell

_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_prompt (
    place integer, id uuid, external_id text, messages jsonb, author text, organisation text, source text, kind text,
    category text, language text, split text, lane text, has_answer boolean
) ON COMMIT DROP
"""
# An author, or an organisation where it is what splits go by, keeps the split first drawn.
_KNOWN_SPLIT = """
UPDATE staged_prompt AS staged SET split = known.split
FROM (
    SELECT DISTINCT {group} AS name FROM staged_prompt
) AS asked
CROSS JOIN LATERAL (
    SELECT split FROM labeling_prompt WHERE project_id = %(project)s AND {known} LIMIT 1
) AS known
WHERE {staged} = asked.name AND staged.split <> known.split {and_grouped}
"""
_INSERT = """
INSERT INTO labeling_prompt (
    id, project_id, external_id, messages, author, organisation, source, kind, category, language, split, drop_reason,
    imported_by_id, created_at
)
SELECT id, %(project)s, external_id, messages, author, organisation, source, kind, category, language, split, '',
    %(source)s, %(now)s
FROM (SELECT DISTINCT ON (external_id) * FROM staged_prompt ORDER BY external_id, place) AS first
ORDER BY place
ON CONFLICT (project_id, external_id) DO NOTHING
"""
_MATCH = """
SELECT staged.place, prompt.id, prompt.id = staged.id, prompt.messages = staged.messages, prompt.dropped_by_id IS NULL
FROM staged_prompt AS staged
JOIN labeling_prompt AS prompt ON prompt.project_id = %(project)s AND prompt.external_id = staged.external_id
ORDER BY staged.place
"""
_OPEN_TASKS = """
INSERT INTO labeling_task (
    project_id, prompt_id, kind, priority, random_key, lane, taken, is_shared, created_at
)
SELECT %(project)s, staged.id, 'demonstration', 0, floor(random() * 2147483648), staged.lane, 0,
    floor(random() * 100) < %(shared)s, %(now)s
FROM staged_prompt AS staged
{that_are_new}
WHERE NOT EXISTS (
    SELECT FROM staged_prompt AS answered WHERE answered.has_answer AND answered.external_id = staged.external_id
)
"""
_NEW = "JOIN labeling_prompt AS prompt ON prompt.id = staged.id"


@dataclass(frozen=True, slots=True)
class Staged:
    """One parsed prompt as a row, with what was drawn for it: its split and the lane of its task."""

    external_id: str
    messages: Sequence[dict[str, str]]
    author: str
    organisation: str
    source: str
    kind: str
    category: str
    language: str
    split: str
    lane: str
    has_answer: bool


@dataclass(frozen=True, slots=True)
class Match:
    """The prompt of the project that has a staged row's external id. `place` counts the staged rows from 0."""

    place: int
    prompt_id: UUID
    is_new: bool
    is_same: bool
    is_in_use: bool


def staging_lines(rows: Iterable[Staged], ids: Iterator[str]) -> list[str]:
    """The rows as lines for the staging table, each with an id of its own. Asks nothing of the database."""
    lines = []
    for place, row in enumerate(rows):
        texts = "\t".join(
            cell(text) if text else ""
            for text in (row.author, row.organisation, row.source, row.kind, row.category, row.language)
        )
        messages = json_cell(row.messages)
        lines.append(
            f"{place}\t{next(ids)}\t{cell(row.external_id)}\t{messages}\t{texts}\t{row.split}"
            f"\t{cell(row.lane)}\t{'t' if row.has_answer else 'f'}\n"
        )
    return lines


def staging_fill(lines: list[str]) -> None:
    """Empty the staging table, making it where the transaction has none yet, and copy the lines into it."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute("TRUNCATE staged_prompt")
    copy_lines("staged_prompt", lines)


def staging_known_splits(*, project_id: int, by_organisation: bool) -> None:
    """Give staged rows of authors (or organisations) that the project knows the split that these have."""
    with connection.cursor() as cursor:
        if by_organisation:
            cursor.execute(
                _KNOWN_SPLIT.format(
                    group="organisation",
                    known="organisation = asked.name AND organisation <> ''",
                    staged="staged.organisation",
                    and_grouped="AND staged.organisation <> ''",
                ),
                {"project": project_id},
            )
        cursor.execute(
            _KNOWN_SPLIT.format(
                group="author",
                known="author = asked.name" + (" AND organisation = ''" if by_organisation else ""),
                staged="staged.author",
                and_grouped="AND staged.organisation = ''" if by_organisation else "",
            ),
            {"project": project_id},
        )


def staging_insert(*, project_id: int, import_id: int, now: datetime) -> int:
    """Add the staged rows whose external id the project does not have, the first of each; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"project": project_id, "source": import_id, "now": now})
        return int(cursor.rowcount)


def staging_matches(*, project_id: int) -> list[Match]:
    """For each staged row, in order, the project's prompt of its external id. After `staging_insert` there is one."""
    with connection.cursor() as cursor:
        cursor.execute(_MATCH, {"project": project_id})
        return [Match(*row) for row in cursor.fetchall()]


def staging_open_tasks(*, project_id: int, shared_percent: int, all_are_new: bool, now: datetime) -> int:
    """Open a demonstration task for each staged row that is new and comes without an answer; return how many.

    About `shared_percent` of them are shared by several labelers.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN_TASKS.format(that_are_new="" if all_are_new else _NEW),
            {"project": project_id, "shared": shared_percent, "now": now},
        )
        return int(cursor.rowcount)


def ordered_ids() -> Iterator[str]:
    """Ever greater ids for one import: UUIDs of version 7 (RFC 9562 §5.7) as hex digits, the time counted on.

    New rows then stand side by side in the index, and in the order of the file.
    """
    milliseconds = time.time_ns() // 1_000_000
    counter = random.getrandbits(40)  # of 42 bits: 12 beside the version, 30 beside the variant
    while True:
        counter += 1
        high = (milliseconds << 16) | 0x7000 | (counter >> 30 & 0xFFF)
        low = (0b10 << 62) | ((counter & 0x3FFFFFFF) << 32) | random.getrandbits(32)
        yield f"{high:016x}{low:016x}"
