"""The ranking page, which comparisons in a dialogue and evaluations share: what it shows and how its form is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from django.http import QueryDict

from exchange.text import is_blank, storable_text
from labeling.filled import Filled, filled
from labeling.forms import OVERALL, values_from_texts
from labeling.models import Assignment, Completion, ProjectSetup, Task
from labeling.rankings import STRENGTHS, doubts, groups_from_ranks, letter, ranks_from_groups
from labeling.selectors.assignments import completions_shown
from labeling.selectors.forms import form_of
from labeling.services.dialogues import dialogue_continue
from labeling.services.rankings import ranking_submit
from people.models import User

TEMPLATE = "labeling/rank.html"
PROMPT_PREFIX = "prompt-"
# Longer answers are folded until somebody wants to read on.
FOLDED_FROM = 350  # words
# The overall quality and four flags, as many as were frequent enough to tell anything (IG §3.4); the rest unfolds.
FIELDS_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """One answer on the page: its letter, its text, and what the draft says about it."""

    letter: str
    completion: Completion
    rank: int | None
    fields: tuple[Filled, ...]
    words: int

    @property
    def title(self) -> str:
        """What it is called in words."""
        return f"answer {self.letter}"

    @property
    def first_fields(self) -> tuple[Filled, ...]:
        """The fields that are always in sight."""
        return self.fields[:FIELDS_SHOWN]

    @property
    def more_fields(self) -> tuple[Filled, ...]:
        """The fields that unfold."""
        return self.fields[FIELDS_SHOWN:]

    @property
    def more_given(self) -> bool:
        """Whether one of the fields that unfold is filled in."""
        return any(one.text or any(option.chosen for option in one.options) for one in self.more_fields)

    @property
    def is_long(self) -> bool:
        """Whether it is folded at first."""
        return self.words > FOLDED_FROM


@dataclass(frozen=True)
class Step:
    """How much better one rank is than the next one, as the bare form asks it."""

    number: int
    value: Any


def form_given(posted: QueryDict, assignment: Assignment) -> dict[str, Any]:
    """The posted fields in the shape of a draft. What is no number counts as not given."""
    form = form_of(assignment.task.project, assignment.form_version)
    ratings = {}
    for completion_id in assignment.shown_order:
        texts = _texts(posted, f"rate-{completion_id}-", [field.name for field in form.fields])
        if values := values_from_texts(form.fields, texts):
            ratings[completion_id] = values
    names = [field.name for field in form.prompt_fields]
    steps = [_number(posted.get(f"strength-{n}", "")) for n in range(1, len(assignment.shown_order))]
    given = {
        "ranks": _numbers(posted, "rank-", assignment.shown_order),
        "ratings": ratings,
        "prompt": values_from_texts(form.prompt_fields, _texts(posted, PROMPT_PREFIX, names)),
        "strengths": steps if any(step is not None for step in steps) else [],
        "all_bad": posted.get("all_bad") == "true",
        "note": storable_text(posted.get("note", "")),
    }
    if assignment.task.kind == Task.Kind.COMPARISON:
        given["message"] = storable_text(posted.get("message", ""))
    return given


def label_values(given: dict[str, Any]) -> dict[str, Any]:
    """What the form gave, as the service of a label takes it. Steps below the last rank are none."""
    groups = groups_from_ranks(given["ranks"])
    return {
        "groups": groups,
        "ratings": given["ratings"],
        "strengths": given["strengths"][: max(0, len(groups) - 1)] or None,
        "all_bad": given["all_bad"],
        "prompt_values": given["prompt"],
        "note": given["note"],
    }


def doubted(given: dict[str, Any], assignment: Assignment) -> list[str]:
    """What a person is asked about before it is submitted; empty for most rankings."""
    groups = groups_from_ranks(given["ranks"])
    return doubts(groups, assignment.shown_order, given["ratings"], all_bad=given["all_bad"])


@transaction.atomic
def submit(labeler: User, assignment: Assignment, key: str, given: dict[str, Any], **effort: Any) -> None:
    """Submit what the form gave and the next message of a dialogue; both or, raising Refused, neither."""
    ranking_submit(assignment_id=assignment.pk, labeler=labeler, key=key, **label_values(given), **effort)
    if not is_blank(given.get("message", "")):
        dialogue_continue(assignment_id=assignment.pk, labeler=labeler, text=given["message"])


def context(assignment: Assignment, draft: dict[str, Any]) -> dict[str, Any]:
    """What the template needs beside the workplace's own."""
    form = form_of(assignment.task.project, assignment.form_version)
    setup = ProjectSetup.objects.filter(project=assignment.task.project).first() or ProjectSetup()
    completions = completions_shown(assignment)
    strengths = draft.get("strengths")
    given = strengths if isinstance(strengths, list) else []
    overall = next((field for field in form.fields if field.type == "scale" and field.max < 10), None)
    return {
        "answers": [_answer(index, completion, draft, form.fields) for index, completion in enumerate(completions)],
        "places": range(1, len(completions) + 1),
        "prompt_fields": filled(form.prompt_fields, draft.get("prompt"), PROMPT_PREFIX),
        "steps": [
            Step(number, given[number - 1] if number <= len(given) else None) for number in range(1, len(completions))
        ],
        "levels": list(enumerate(STRENGTHS.get(setup.strength_levels, ()), start=1)),
        "allow_ties": setup.allow_ties,
        "all_bad": draft.get("all_bad") is True,
        "digits": overall,
        "note": _text(draft.get("note")),
        "message": _text(draft.get("message")),
        "kind": assignment.task.kind,
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


def label_draft(assignment: Assignment) -> dict[str, Any]:
    """The submitted ranking in the shape of a draft, to be corrected."""
    ranking = assignment.rankings.get(superseded_at=None)
    ratings = {}
    for rating in ranking.ratings.all():
        overall = {} if rating.overall is None else {OVERALL: rating.overall}
        ratings[str(rating.completion_id)] = overall | rating.values
    return {
        "ranks": {completion_id: rank + 1 for completion_id, rank in ranks_from_groups(ranking.groups).items()},
        "ratings": ratings,
        "prompt": ranking.prompt_values,
        "strengths": ranking.strengths or [],
        "all_bad": ranking.all_bad,
        "note": ranking.note,
    }


def _answer(index: int, completion: Completion, draft: dict[str, Any], fields: Any) -> Answer:
    rank = _of(draft.get("ranks"), completion)
    return Answer(
        letter=letter(index),
        completion=completion,
        rank=rank if isinstance(rank, int) and not isinstance(rank, bool) else None,
        fields=filled(fields, _of(draft.get("ratings"), completion), f"rate-{completion.pk}-"),
        words=len(completion.text.split()),
    )


def _of(values: Any, completion: Completion) -> Any:
    return values.get(str(completion.pk)) if isinstance(values, Mapping) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(posted: QueryDict, prefix: str, names: list[str]) -> dict[str, str]:
    return {name: storable_text(posted.get(prefix + name, "")) for name in names}


def _numbers(posted: QueryDict, prefix: str, completion_ids: list[str]) -> dict[str, int]:
    values = {completion_id: _number(posted.get(prefix + completion_id, "")) for completion_id in completion_ids}
    return {completion_id: value for completion_id, value in values.items() if value is not None}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None
