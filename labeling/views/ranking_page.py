"""The ranking page, which comparisons and evaluations share: what it shows and how its form is read."""

from __future__ import annotations

from typing import Any, cast

from django.http import QueryDict

from exchange.text import storable_text
from labeling.models import Assignment, Completion
from labeling.rankings import groups_from_ranks, ranks_from_groups
from labeling.selectors.assignments import completions_shown
from labeling.services.rankings import ranking_submit
from people.models import User

TEMPLATE = "labeling/rank.html"


def form_given(posted: QueryDict, assignment: Assignment) -> dict[str, Any]:
    """The posted fields in the shape of a draft. What is no number counts as not given."""
    return {
        "ranks": _numbers(posted, "rank-", assignment.shown_order),
        "ratings": _numbers(posted, "rating-", assignment.shown_order),
        "note": storable_text(posted.get("note", "")),
    }


def submit(labeler: User, assignment: Assignment, key: str, given: dict[str, Any]) -> None:
    """Submit what the form gave. Raises Refused."""
    ranking_submit(
        assignment_id=assignment.pk,
        labeler=labeler,
        key=key,
        groups=groups_from_ranks(given["ranks"]),
        ratings=given["ratings"],
        note=given["note"],
    )


def context(assignment: Assignment, draft: dict[str, Any]) -> dict[str, Any]:
    """What the template needs beside the workplace's own."""
    completions = completions_shown(assignment)
    note = draft.get("note")
    return {
        "answers": _answers(completions, draft),
        "places": range(1, len(completions) + 1),
        "scale": range(1, 8),
        "note": note if isinstance(note, str) else "",
    }


def label_given(assignment: Assignment) -> dict[str, Any]:
    """What was submitted, for reading: the answers in their ranks."""
    ranking = assignment.rankings.get(superseded_at=None)
    ranks = ranks_from_groups(ranking.groups)
    ratings = dict(ranking.ratings.values_list("completion_id", "overall"))
    answers = [
        {"letter": letter(i), "completion": c, "rank": ranks[str(c.pk)] + 1, "rating": ratings.get(c.pk)}
        for i, c in enumerate(completions_shown(assignment))
    ]
    return {"label": ranking, "answers": sorted(answers, key=lambda a: cast(int, a["rank"]))}


def letter(index: int) -> str:
    """A … Z, AA, AB, …"""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def _numbers(posted: QueryDict, prefix: str, completion_ids: list[str]) -> dict[str, int]:
    values = {completion_id: posted.get(prefix + completion_id, "") for completion_id in completion_ids}
    return {i: int(v) for i, v in values.items() if v.isascii() and v.isdigit() and len(v) < 4}


def _answers(completions: list[Completion], draft: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers with their letters, and what the draft says about each."""
    return [
        {
            "letter": letter(index),
            "completion": completion,
            "rank": _of(draft.get("ranks"), completion),
            "rating": _of(draft.get("ratings"), completion),
        }
        for index, completion in enumerate(completions)
    ]


def _of(values: Any, completion: Completion) -> Any:
    return values.get(str(completion.pk)) if isinstance(values, dict) else None
