"""The rule of lanes: whose work a task is. It is written when the task is opened; the assigner never crosses lanes.

A lane names a cohort and the skills a labeler needs, as in `training`, `held_out` or `training:de+law`. Held-out
labelers give no training data (IG §3.4), so their work lies in lanes of its own. Plain values in, plain values out.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

# A task needs at most two skills: its prompt's language and its use case.
SKILLS_MAX = 2


def skill_key(text: str) -> str:
    """The key of a skill as people write it: letter case and outer space mean nothing, and `+` and `:` join lanes."""
    return " ".join(text.replace("+", " ").replace(":", " ").split()).casefold()


def skills_needed(skills_by: str, *, language: str, category: str) -> list[str]:
    """The skills that a prompt asks for where the project goes by `none`, `language`, `category` or `both`."""
    asked = {"language": [language], "category": [category], "both": [language, category]}.get(skills_by, [])
    return sorted({key for text in asked if (key := skill_key(text))})


def lane_of(cohort: str, skills: Collection[str] = ()) -> str:
    """The lane of a task for `cohort` (`training` or `held_out`) that needs all of `skills`, given as keys."""
    return f"{cohort}:{'+'.join(sorted(skills))}" if skills else cohort


def lanes_open_to(cohort: str, skills: Collection[str]) -> list[str]:
    """Every lane whose cohort is the labeler's and whose skills they all have: the plain lane first."""
    keys = sorted({key for text in skills if (key := skill_key(text))})
    return [lane_of(cohort, chosen) for count in range(SKILLS_MAX + 1) for chosen in combinations(keys, count)]
