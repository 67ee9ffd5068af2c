"""A labeler's own labels: found again page by page, and shown with all that belongs to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, FilteredRelation, Func, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from labeling.forms import Field
from labeling.models import Assignment, Completion, Demonstration, Feedback, ProjectSetup, Ranking, Task
from labeling.rankings import letter, ranks_from_groups, steps_in_words
from labeling.selectors.forms import Form, form_of
from people.models import Project, User

PAGE = 20
LOOK = 5_000  # labels whose texts one search looks at
_STATE = Assignment.State


@dataclass(frozen=True)
class Wanted:
    """Which labels are looked for; what is None or empty is not asked. Days are whole ones, both included."""

    text: str = ""
    kind: str = ""
    project: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Page:
    """Some labels, newest first, and the cursor of the next page; empty on the last one.

    `is_cut`: a text was looked for in as many labels as one search looks at, and there are older ones.
    """

    entries: list[Assignment]
    older: str
    is_cut: bool = False


@dataclass(frozen=True)
class AnswerGiven:
    """One answer of a ranking as it was judged: letter as the labeler saw it, rank from 1, and what else was said."""

    letter: str
    completion: Completion
    rank: int
    overall: int | None
    said: list[tuple[str, str]]


@dataclass(frozen=True)
class Earlier:
    """A label that was corrected. Of a ranking, `order` is its letters, best first, as in "A > B = C"."""

    label: Demonstration | Ranking
    order: str = ""


@dataclass(frozen=True)
class LabelGiven:
    """A submitted label for reading, with those that it superseded, newest first, and what was said of the prompt.

    What was said is a list of the form's labels with the values in words; `steps` say how much better each rank of a
    ranking is than the next one, in words too.
    """

    label: Demonstration | Ranking
    said_of_prompt: list[tuple[str, str]]
    answers: list[AnswerGiven] = field(default_factory=list)
    earlier: list[Earlier] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def labels_of(labeler: User, wanted: Wanted, cursor: str = "") -> Page:
    """One page of the labeler's labels. Walks an index by time, so that a page costs the same after 100,000 labels.

    A text is looked for in prompts, own answers and notes, as it stands, without regard to case: in the newest 5,000
    labels from the cursor on, so that a search has a bound.
    """
    return page_of(Assignment.objects.filter(labeler=labeler, state=_STATE.SUBMITTED), wanted, cursor)


def page_of(labels: QuerySet[Assignment], wanted: Wanted, cursor: str = "") -> Page:
    """The newest of the submitted assignments that are wanted, from the cursor on; one that is none is the start."""
    labels = _narrowed(labels, wanted).order_by("-submitted_at", "-id")
    if place := _place(cursor):
        at, pk = place
        labels = labels.filter(submitted_at__lte=at).filter(Q(submitted_at__lt=at) | Q(pk__lt=pk))
    end = None
    if wanted.text:
        end = labels[LOOK - 1 : LOOK].first()
        if end is not None:
            since = Q(submitted_at__gt=end.submitted_at) | Q(pk__gte=end.pk)
            labels = labels.filter(since, submitted_at__gte=end.submitted_at)
        labels = _saying(labels, wanted.text)
    rows = list(labels.select_related("task__prompt", "task__project", "labeler")[: PAGE + 1])
    if len(rows) > PAGE:
        return Page(rows[:PAGE], _cursor(rows[PAGE - 1]))
    return Page(rows, _cursor(end) if end else "", is_cut=end is not None)


def label_given(assignment: Assignment) -> LabelGiven:
    """What was submitted, for reading: the text, or the answers by rank with their ratings."""
    labels: list[Demonstration | Ranking]
    if assignment.task.kind == Task.Kind.DEMONSTRATION:
        labels = list(Demonstration.objects.filter(assignment=assignment).order_by("-created_at", "-pk"))
    else:
        ranked = Ranking.objects.filter(assignment=assignment).order_by("-created_at", "-pk")
        labels = list(ranked.prefetch_related("ratings"))
    label = next(one for one in labels if one.superseded_at is None)
    earlier = [Earlier(one, _order(assignment, one)) for one in labels if one.superseded_at is not None]
    form = form_of(assignment.task.project, label.form_version)
    answers = _answers(assignment, label, form) if isinstance(label, Ranking) else []
    return LabelGiven(
        label, _said(form.prompt_fields, label.prompt_values), answers, earlier, _steps(assignment, label)
    )


def feedback_on(assignment: Assignment) -> list[Feedback]:
    """What reviewers said about the label, newest first."""
    return list(Feedback.objects.filter(assignment=assignment).select_related("reviewer"))


def feedback_unread(labeler: User) -> list[Feedback]:
    """Feedback that the labeler has not seen yet, newest first, at most 50."""
    new = Feedback.objects.filter(assignment__labeler=labeler, seen_at=None)
    return list(new.select_related("assignment__task__prompt", "assignment__task__project", "reviewer")[:50])


def correction_ends_at(assignment: Assignment) -> datetime | None:
    """Until when the label may be corrected; None where the project allows no corrections or there is no label."""
    project: Project = assignment.task.project
    setup = ProjectSetup.objects.filter(project=project).first() or ProjectSetup()
    if not setup.edit_window_hours or assignment.submitted_at is None:
        return None
    return assignment.submitted_at + timedelta(hours=setup.edit_window_hours)


def _answers(assignment: Assignment, ranking: Ranking, form: Form) -> list[AnswerGiven]:
    completions = {str(c.pk): c for c in Completion.objects.filter(pk__in=assignment.shown_order)}
    ranks = ranks_from_groups(ranking.groups)
    ratings = {str(rating.completion_id): rating for rating in ranking.ratings.all()}
    found = []
    for index, completion_id in enumerate(assignment.shown_order):
        if completion_id not in completions or completion_id not in ranks:
            continue
        rating = ratings.get(completion_id)
        found.append(
            AnswerGiven(
                letter=letter(index),
                completion=completions[completion_id],
                rank=ranks[completion_id] + 1,
                overall=rating.overall if rating else None,
                said=_said(form.fields, rating.values if rating else {}),
            )
        )
    return sorted(found, key=lambda answer: answer.rank)


def _order(assignment: Assignment, label: Demonstration | Ranking) -> str:
    if isinstance(label, Demonstration):
        return ""
    return " > ".join(" = ".join(group) for group in _lettered(assignment, label))


def _steps(assignment: Assignment, label: Demonstration | Ranking) -> list[str]:
    if isinstance(label, Demonstration) or not label.strengths:
        return []
    groups = [sorted(group) for group in _lettered(assignment, label)]
    return steps_in_words(groups, label.strengths, label.strength_levels or 0)


def _lettered(assignment: Assignment, ranking: Ranking) -> list[list[str]]:
    letters = {completion_id: letter(index) for index, completion_id in enumerate(assignment.shown_order)}
    return [[letters.get(i, "?") for i in group] for group in ranking.groups]


def _said(fields: Sequence[Field], values: dict[str, Any]) -> list[tuple[str, str]]:
    """Values in words, in the form's order: a flag as yes or no, the rest as it is. What was left out is not said."""
    words = {True: "yes", False: "no"}
    return [
        (one.label, words[values[one.name]] if isinstance(values[one.name], bool) else str(values[one.name]))
        for one in fields
        if one.name in values
    ]


def _narrowed(labels: QuerySet[Assignment], wanted: Wanted) -> QuerySet[Assignment]:
    """All that is wanted but for the text."""
    if wanted.kind:
        labels = labels.filter(task__kind=wanted.kind)
    if wanted.project:
        labels = labels.filter(task__project__slug=wanted.project)
    if wanted.since:
        labels = labels.filter(submitted_at__gte=_midnight(wanted.since))
    if wanted.until:
        labels = labels.filter(submitted_at__lt=_midnight(wanted.until) + timedelta(days=1))
    return labels


def _saying(labels: QuerySet[Assignment], text: str) -> QuerySet[Assignment]:
    """Those whose prompt, whose written answer or whose note has the text."""
    contents = Func(F("task__prompt__messages"), template="jsonb_path_query_array(%(expressions)s, '$[*].content')")
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]  # as it stands inside of JSON
    # Joins, of which there is at most one row each: an EXISTS may make PostgreSQL read everybody's labels.
    return labels.alias(
        prompt_says=Cast(contents, TextField()),
        written=FilteredRelation("demonstrations", condition=Q(demonstrations__superseded_at=None)),
        ranked=FilteredRelation("rankings", condition=Q(rankings__superseded_at=None)),
    ).filter(Q(prompt_says__icontains=escaped) | Q(written__text__icontains=text) | Q(ranked__note__icontains=text))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _cursor(last: Assignment) -> str:
    return f"{last.submitted_at.isoformat()}~{last.pk}" if last.submitted_at else ""


def _place(cursor: str) -> tuple[datetime, UUID] | None:
    at, _, pk = cursor.partition("~")
    try:
        when, key = datetime.fromisoformat(at), UUID(pk)
    except ValueError:
        return None
    return (when, key) if when.tzinfo else None
