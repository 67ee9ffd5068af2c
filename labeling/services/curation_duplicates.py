"""Duplicates: of prompts that say the same, that begin alike or that are nearly the same, the earliest stays.

Keys and texts go through temporary tables, so that memory does not grow with the number of prompts. `place` counts the
prompts in use from the oldest on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, cast
from uuid import UUID

from django.db import connection

from labeling.dedup import band_keys, exact_key, jaccard, prefix_groups, prefix_text, shingles
from labeling.models import CurationStep
from labeling.selectors.curation import Messages, prompts_by_age
from labeling.services.copying import cell, copy_rows

Report = Callable[[int], None]

_AT_ONCE = 200  # a prompt may have megabytes
_KEEP_EARLIEST = """
INSERT INTO curation_verdict
SELECT prompt_id, %(reason)s, first
FROM (
    SELECT prompt_id, place, first_value(prompt_id) OVER alike AS first, first_value(place) OVER alike AS first_place
    FROM curation_alike WINDOW alike AS (PARTITION BY key ORDER BY place)
) AS ranked
WHERE place > first_place
"""
# Two of a bucket are compared when one is the bucket's earliest, or stands right before the other.
_PAIRS = """
INSERT INTO curation_pair
SELECT DISTINCT place, other FROM (
    SELECT place, first_value(place) OVER bucket AS first, lag(place) OVER bucket AS before
    FROM curation_band WINDOW bucket AS (PARTITION BY band, key ORDER BY place)
) AS found, LATERAL (VALUES (first), (before)) AS one (other)
WHERE other < place
"""
_COMPARED = """
SELECT pair.place, pair.other, late.id, late.messages, early.id, early.messages
FROM curation_pair AS pair
JOIN curation_place AS late_place ON late_place.place = pair.place
JOIN labeling_prompt AS late ON late.id = late_place.prompt_id
JOIN curation_place AS early_place ON early_place.place = pair.other
JOIN labeling_prompt AS early ON early.id = early_place.prompt_id
ORDER BY pair.place, pair.other
"""


def drop_exact(step: CurationStep, report: Report) -> int:
    """Verdicts on prompts that read the same as an earlier one; returns how many prompts were looked at."""
    _table("curation_alike", "prompt_id uuid, place integer, key bytea")
    seen = copy_rows(
        "curation_alike",
        (
            (str(prompt_id), str(place), f"\\\\x{exact_key(messages).hex()}")
            for place, prompt_id, messages in _placed(step, report)
        ),
    )
    _keep_earliest("Reads the same as an earlier prompt.")
    return seen


def drop_prefix(step: CurationStep, report: Report) -> int:
    """Verdicts on prompts that share a long beginning with an earlier one (IG §3.2); returns how many were looked at.

    Turns of a dialogue held here are left alone: they repeat what came before them.
    """
    _table("curation_text", "prompt_id uuid, place integer, text text")
    seen = copy_rows(
        "curation_text",
        (
            (str(prompt_id), str(place), cell(prefix_text(messages)))
            for place, prompt_id, messages in _placed(step, report)
        ),
    )
    _table("curation_alike", "prompt_id uuid, place integer, key integer")
    groups = prefix_groups(
        _sorted_texts(),
        min_characters=step.options["min_characters"],
        min_share=step.options["min_percent"] / 100,
    )
    copy_rows("curation_alike", ((str(prompt_id), str(place), str(group)) for (prompt_id, place), group in groups))
    _keep_earliest("Begins as an earlier prompt does.")
    return seen


def drop_near(step: CurationStep, report: Report) -> int:
    """Verdicts on prompts that are nearly the same as an earlier one; returns how many were looked at.

    Probable pairs come from locality-sensitive hashing; each is then measured exactly, and the later of two goes when
    their likeness reaches the threshold. So a prompt stays when no earlier one is that like it.
    """
    threshold = step.options["threshold"] / 100
    _table("curation_place", "place integer PRIMARY KEY, prompt_id uuid")
    _table("curation_band", "place integer, band smallint, key bigint")
    seen = copy_rows(
        "curation_place", ((str(place), str(prompt_id)) for place, prompt_id, _ in _placed(step, lambda done: None))
    )
    banded = band_keys(
        ((place, shingles(messages)) for place, _, messages in _placed(step, report)), threshold=threshold
    )
    copy_rows(
        "curation_band",
        ((str(place), str(band), str(key)) for place, keys in banded for band, key in enumerate(keys)),
    )
    _table("curation_pair", "place integer, other integer")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_band")
        cursor.execute(_PAIRS)
        cursor.execute("ANALYZE curation_pair")
        cursor.execute("ANALYZE curation_place")
    copy_rows("curation_verdict", _nearly_the_same(threshold))
    return seen


def _nearly_the_same(threshold: float) -> Iterator[tuple[str, str, str]]:
    """For each later prompt the earliest one that is as like it as asked."""
    decided, words = -1, {}
    for place, _, late_id, late, early_id, early in _stream(_COMPARED):
        if place == decided:
            continue
        if place not in words:
            words = {place: shingles(_messages(late))}
        likeness = jaccard(words[place], shingles(_messages(early)))
        if likeness >= threshold:
            decided = place
            yield str(late_id), f"{likeness * 100:.0f} % the same as an earlier prompt.", str(early_id)


def _placed(step: CurationStep, report: Report) -> Iterator[tuple[int, UUID, Messages]]:
    for place, (prompt_id, messages) in enumerate(prompts_by_age(step.project, turns=step.rule == "exact")):
        report(place)
        yield place, prompt_id, messages


def _sorted_texts() -> Iterator[tuple[tuple[UUID, int], str]]:
    for prompt_id, place, text in _stream(
        'SELECT prompt_id, place, text FROM curation_text ORDER BY text COLLATE "C", place'
    ):
        yield (prompt_id, place), text


def _stream(query: str) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows


def _messages(value: Any) -> Messages:
    """Messages as a raw cursor returns them."""
    return cast(Messages, json.loads(value) if isinstance(value, str) else value)


def _table(name: str, columns: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP")


def _keep_earliest(reason: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_EARLIEST, {"reason": reason})
