"""Which task a labeler is given, and one slot of it: in SQL, since Django has no words for these statements.

A task is in one of three groups, each with a partial index of its own. `own`: it says itself how many labels it wants.
`begun`: shared, with some of its labels given away; these come before fresh ones, so that tasks get finished. `fresh`:
nothing given away. A class is what the index holds side by side: a group, kind and lane with one priority and, in
`begun`, one number of labels given away. Of a class one starts at a random key, so that labelers who ask at the same
moment do not meet, and so that nobody walks past all that they had or that others took a moment ago.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from django.db import connection

_GROUPS = {
    "own": "t.wanted IS NOT NULL AND t.taken < t.wanted AND t.withdrawn_at IS NULL",
    "begun": "t.is_shared AND t.wanted IS NULL AND t.taken >= 1 AND t.withdrawn_at IS NULL",
    "fresh": "t.wanted IS NULL AND t.taken = 0 AND t.withdrawn_at IS NULL",
}
_ORDER = list(_GROUPS)
_PLACE = "t.project_id = %(project)s AND t.kind = place.kind AND t.lane = place.lane"
_PLACES = "place AS (SELECT * FROM unnest(%(kinds)s::text[], %(lanes)s::text[]) AS place(kind, lane))"
_BELOW = "t.priority < %(below)s"
_ABOVE_ALL = 2**15  # of the priorities that the column holds
_STEPS = "generate_series(1, %(overlap)s - 1) AS step(taken)"
_NOT_HAD = "NOT EXISTS (SELECT FROM labeling_assignment a WHERE a.task_id = t.id AND a.labeler_id = %(labeler)s)"
_TAKE = "UPDATE labeling_task SET taken = labeling_task.taken + 1 FROM found WHERE labeling_task.id = found.id"

# The highest priority of each group, kind and lane under a bound: a step down each index, and no lock.
_CLASSES = f"""
    WITH {_PLACES}
    SELECT 'own', kind, lane, 0, best.priority
    FROM place, LATERAL (
        SELECT t.priority FROM labeling_task t WHERE {_PLACE} AND {_GROUPS["own"]} AND {_BELOW}
        ORDER BY t.priority DESC LIMIT 1
    ) best
    UNION ALL
    SELECT 'begun', kind, lane, step.taken, best.priority
    FROM place, {_STEPS}, LATERAL (
        SELECT t.priority FROM labeling_task t
        WHERE {_PLACE} AND {_GROUPS["begun"]} AND t.taken = step.taken AND {_BELOW}
        ORDER BY t.priority DESC LIMIT 1
    ) best
    UNION ALL
    SELECT 'fresh', kind, lane, 0, best.priority
    FROM place, LATERAL (
        SELECT t.priority FROM labeling_task t WHERE {_PLACE} AND {_GROUPS["fresh"]} AND {_BELOW}
        ORDER BY t.priority DESC LIMIT 1
    ) best
"""  # noqa: S608 - made of the constants above

# A few tasks of one class, from a random key on and from the smallest one; the first that the labeler has not had and
# that nobody else is at is taken. What a lock shows to have changed meanwhile is left out by the conditions on `t`.
_NEAR = 8
_TAKE_NEAR = """
    WITH found AS (
        SELECT t.id FROM labeling_task t
        WHERE t.id = ANY(ARRAY(
            (SELECT t.id FROM labeling_task t WHERE {of_class} AND t.random_key >= %(start)s
             ORDER BY t.random_key LIMIT {near})
            UNION ALL
            (SELECT t.id FROM labeling_task t WHERE {of_class} AND t.random_key < %(start)s
             ORDER BY t.random_key LIMIT {near})
        )) AND {group} AND {steps} AND {not_had}
        ORDER BY t.random_key < %(start)s, t.random_key
        LIMIT 1 FOR NO KEY UPDATE OF t SKIP LOCKED
    )
    {take} RETURNING labeling_task.id
"""

# What the labeler has not had of one priority, in all groups at once; waits for those whom others are at, since they
# may leave a slot behind. A row that was waited for in vain stays locked, so everybody goes in one order. Of each
# class some thousands are looked at around a random key, so that who has had nearly all of a million costs no more
# than anybody else, and so that the next look is at others.
LOOK = 5_000
PRIORITIES = 100
_FAR = 100


def _around(group: str, also: str = "") -> str:
    of_class = f"{_PLACE} AND {_GROUPS[group]}{also} AND t.priority = %(priority)s"
    task = f"SELECT t.id, t.random_key FROM labeling_task t WHERE {of_class} AND t.random_key"  # noqa: S608
    return f"""LATERAL (
        SELECT * FROM (
            ({task} >= %(start)s ORDER BY t.random_key LIMIT %(look)s)
            UNION ALL
            ({task} < %(start)s ORDER BY t.random_key LIMIT %(look)s)
        ) t WHERE {_NOT_HAD}
    ) task"""  # noqa: S608


_TAKE_ANY = f"""
    WITH {_PLACES}, near AS MATERIALIZED (
        SELECT * FROM (
            SELECT task.* FROM place, {_around("own")}
            UNION ALL
            SELECT task.* FROM place, {_STEPS}, {_around("begun", " AND t.taken = step.taken")}
            UNION ALL
            SELECT task.* FROM place, {_around("fresh")}
        ) open ORDER BY random_key, id LIMIT {_FAR}
    ), found AS (
        SELECT task.id FROM near, LATERAL (
            SELECT t.id FROM labeling_task t
            WHERE t.id = near.id AND t.withdrawn_at IS NULL
                AND t.taken < coalesce(t.wanted, CASE WHEN t.is_shared THEN %(overlap)s ELSE 1 END)
            FOR NO KEY UPDATE OF t
        ) task LIMIT 1
    )
    {_TAKE} RETURNING labeling_task.id
"""  # noqa: S608 - made of the constants above


@dataclass(frozen=True)
class Wish:
    """Whose next task is looked for, and where: any of `kinds` in any of `lanes`, at the project's overlap."""

    labeler_id: int
    project_id: int
    kinds: tuple[str, ...]
    lanes: tuple[str, ...]
    overlap: int


@dataclass(frozen=True)
class _Class:
    group: str
    kind: str
    lane: str
    taken: int
    priority: int


def draw_start() -> int:
    """A random place in the order of stored random keys."""
    return random.getrandbits(31)


def slot_take(wish: Wish) -> int | None:
    """Give one slot of the best task away and return the task's id; None when nothing is open to the labeler.

    The highest priority comes first; of equal priority what says itself how many labels it wants, then what is begun,
    nearly finished ones first, then what is fresh; of equal ones any. Where the labeler has had all near tasks of the
    highest priority in a group, another group may come before the group's lower priorities. Of a class of more than
    10,000 open tasks of which the labeler has had nearly all, the few others may be overlooked; the next call looks
    elsewhere. Before: in a transaction that holds the lock of the labeler's row. After: the task's row is locked.
    """
    classes = _classes(wish)
    for found in classes:
        if (task_id := _take_near(wish, found)) is not None:
            return task_id
    for _ in range(PRIORITIES):
        if not classes:
            return None
        highest = {"priority": classes[0].priority, "start": draw_start(), "look": LOOK}
        if (task_id := _one(_TAKE_ANY, {**_places(wish), **highest})) is not None:
            return task_id
        classes = _classes(wish, below=classes[0].priority)
    return None


def _classes(wish: Wish, *, below: int = _ABOVE_ALL) -> list[_Class]:
    """The highest priority under `below` of each group, kind and lane, best first."""
    with connection.cursor() as cursor:
        cursor.execute(_CLASSES, {**_places(wish), "below": below})
        classes = [_Class(*row) for row in cursor.fetchall()]
    random.shuffle(classes)  # of equal ones, as of two kinds, none is preferred
    return sorted(classes, key=lambda found: (-found.priority, _ORDER.index(found.group), -found.taken))


def _take_near(wish: Wish, found: _Class) -> int | None:
    group = _GROUPS[found.group]
    steps = "t.taken = %(taken)s" if found.group == "begun" else "true"
    of_class = (
        "t.project_id = %(project)s AND t.kind = %(kind)s AND t.lane = %(lane)s AND t.priority = %(priority)s"
        f" AND {group} AND {steps}"
    )
    statement = _TAKE_NEAR.format(
        of_class=of_class, group=group, steps=steps, not_had=_NOT_HAD, near=_NEAR, take=_TAKE
    )
    values = {"kind": found.kind, "lane": found.lane, "taken": found.taken, "priority": found.priority}
    return _one(statement, {**_places(wish), **values, "start": draw_start()})


def _places(wish: Wish) -> dict[str, Any]:
    pairs = [(kind, lane) for kind in wish.kinds for lane in wish.lanes]
    return {
        "project": wish.project_id,
        "labeler": wish.labeler_id,
        "kinds": [kind for kind, _ in pairs],
        "lanes": [lane for _, lane in pairs],
        "overlap": wish.overlap,
    }


def _one(statement: str, values: dict[str, Any]) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    return row[0] if row else None
