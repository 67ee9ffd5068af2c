"""How much is open to a labeler in each of their projects, by kind: counted up to a bound, and looked for no further
than some hundred tasks, so that a page that asks for it costs the same with a million tasks, whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from labeling.lanes import lanes_open_to
from labeling.models import ProjectSetup
from people.access import LABELING
from people.models import Cohort, Membership, Project, User

MANY = 100
LOOK = 500  # open tasks of each group, kind and lane that are looked at

# The three groups of open tasks stand at `labeling.services.slots`; each has a partial index that this walks.
_PLACE = "t.project_id = place.project AND t.kind = place.kind AND t.lane = place.lane AND t.withdrawn_at IS NULL"
_COUNT = f"""
    SELECT place.project, place.kind, sum(open.not_had)::int, bool_or(open.seen = %(look)s)
    FROM unnest(%(projects)s::bigint[], %(kinds)s::text[], %(lanes)s::text[], %(overlaps)s::int[])
        AS place(project, kind, lane, overlap),
    LATERAL (
        SELECT count(*) AS seen, count(*) FILTER (WHERE NOT EXISTS (
            SELECT FROM labeling_assignment a WHERE a.task_id = t.id AND a.labeler_id = %(labeler)s
        )) AS not_had
        FROM (
            (SELECT 0 AS part, t.id FROM labeling_task t
             WHERE {_PLACE} AND t.wanted IS NOT NULL AND t.taken < t.wanted LIMIT %(look)s)
            UNION ALL
            (SELECT 1, t.id FROM labeling_task t
             WHERE {_PLACE} AND t.is_shared AND t.wanted IS NULL AND t.taken >= 1 AND t.taken < place.overlap
             LIMIT %(look)s)
            UNION ALL
            (SELECT 2, t.id FROM labeling_task t
             WHERE {_PLACE} AND t.wanted IS NULL AND t.taken = 0 LIMIT %(look)s)
        ) t GROUP BY part
    ) AS open
    GROUP BY place.project, place.kind
"""  # noqa: S608 - made of the constants above


@dataclass(frozen=True)
class OpenCount:
    """Tasks that are open to somebody: so many, or, where `is_more`, at least so many."""

    count: int
    is_more: bool = False


def open_counts(labeler: User, projects: list[Project]) -> dict[tuple[int, str], OpenCount]:
    """Tasks that the labeler could take now, by project and kind, at most 100 each; none where nothing is open.

    Where more tasks want labels than are looked at, the count is of those that were; it may be 0 then, for who has
    had nearly all. Two queries, given projects with their setup. Lanes and kinds are those of the claim.
    """
    places = _places(labeler, projects)
    if not places:
        return {}
    columns = dict(zip(("projects", "kinds", "lanes", "overlaps"), map(list, zip(*places, strict=True)), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"labeler": labeler.pk, "look": LOOK, **columns})
        return {
            (project, kind): OpenCount(min(count, MANY), is_more or count > MANY)
            for project, kind, count, is_more in cursor.fetchall()
            if count or is_more
        }


def _places(labeler: User, projects: list[Project]) -> list[tuple[int, str, str, int]]:
    """Project, kind, lane and overlap of all that the labeler may be given."""
    standings = _standings(labeler, projects)
    found = []
    for project in projects:
        setup = getattr(project, "setup", None) or ProjectSetup()
        cohort, skills = standings.get(project.pk, (Cohort.TRAINING, []))
        lanes = lanes_open_to(cohort, skills)
        found += [(project.pk, kind, lane, setup.overlap) for kind in setup.kinds for lane in lanes]
    return found


def _standings(labeler: User, projects: list[Project]) -> dict[int, tuple[str, list[str]]]:
    """Cohort and skills by project; whoever is held out in one role is held out."""
    rows = Membership.objects.filter(user=labeler, project__in=projects, role__in=LABELING).order_by()
    found: dict[int, tuple[str, list[str]]] = {}
    for project, cohort, skills in rows.values_list("project", "cohort", "skills"):
        before, known = found.get(project, (cohort, []))
        held_out = Cohort.HELD_OUT in (before, cohort)
        more = [str(skill) for skill in skills] if isinstance(skills, list) else []
        found[project] = (Cohort.HELD_OUT if held_out else Cohort.TRAINING, known + more)
    return found
