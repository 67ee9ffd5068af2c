"""Lanes of tasks that are open already, where curation learns or forgets what a prompt asks of a labeler."""

from __future__ import annotations

from django.db import connection

from labeling.lanes import lane_of, skills_needed
from labeling.models import CurationStep, Prompt, SkillsBy
from labeling.selectors.tasks import setup_of

_MOVE = """
UPDATE labeling_task AS task SET lane = split_part(task.lane, ':', 1) || asked.skills
FROM labeling_prompt AS prompt
JOIN unnest(%(languages)s::text[], %(categories)s::text[], %(skills)s::text[]) AS asked(language, category, skills)
    ON asked.language = prompt.language AND asked.category = prompt.category
WHERE task.prompt_id = prompt.id AND prompt.project_id = %(project)s AND prompt.language_step_id = %(step)s
    AND task.lane <> split_part(task.lane, ':', 1) || asked.skills
"""


def lanes_follow(step: CurationStep, *, is_undone: bool = False) -> int:
    """Move the tasks of the prompts whose language `step` told into the lanes of the skills that these ask for now, or
    asked for without it; returns how many moved. Cohorts stay.

    Nothing moves where the project asks for no language. Who is at work on a task that moves goes on with it.
    """
    setup = setup_of(step.project)
    if setup.skills_by not in (SkillsBy.LANGUAGE, SkillsBy.BOTH):
        return 0
    told = Prompt.objects.filter(project=step.project, language_step=step).order_by()
    pairs = list(told.values_list("language", "category").distinct())
    skills = [
        lane_of("", skills_needed(setup.skills_by, language="" if is_undone else language, category=category))
        for language, category in pairs
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE,
            {
                "project": step.project_id,
                "step": step.pk,
                "languages": [language for language, _ in pairs],
                "categories": [category for _, category in pairs],
                "skills": skills,
            },
        )
        return int(cursor.rowcount)
