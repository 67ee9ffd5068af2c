"""My work: what waits, what I did, my labels with what was said about them, and the next task."""

from __future__ import annotations

import uuid
from datetime import date
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from exchange.text import storable_text
from labeling.models import Assignment, Task
from labeling.permissions import project_get
from labeling.selectors.assignments import assignment_for
from labeling.selectors.history import (
    Wanted,
    correction_ends_at,
    feedback_on,
    feedback_unread,
    label_given,
    labels_of,
)
from labeling.selectors.progress import announcements_for, progress_of, work_of
from labeling.selectors.reading import reading_of
from labeling.selectors.talk import answers_unread, posts_for
from labeling.services.claims import assignment_claim_anywhere
from labeling.services.feedback import feedback_mark_seen
from labeling.services.posts import answers_mark_seen
from labeling.views.workplace import go_to_next
from people.access import LABELING, projects_for
from people.models import User
from people.refusals import Refused

_TEXT_MAX = 200


@login_required
@require_GET
def label_home(request: HttpRequest) -> HttpResponse:
    """What waits for me in each project, what I did today and this week, and what is new for me."""
    user = _user(request)
    done = progress_of(user)
    works = work_of(user, done)
    feedback, answers = feedback_unread(user), answers_unread(user)
    shown = {
        "works": works,
        "done": done,
        "seconds_today": sum(row.seconds_today for row in done),
        "seconds_week": sum(row.seconds_week for row in done),
        "today": sum(row.today for row in done),
        "week": sum(row.week for row in done),
        "feedback": feedback,
        "answers": answers,
        "any_open": sum(bool(work.open or work.in_work) for work in works) > 1,
        "news": len(feedback) + len(answers),
        "announcements": announcements_for([work.project for work in works]),
    }
    return render(request, "labeling/label.html", shown)


@login_required
@require_POST
def label_next(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the next task and go to it."""
    project = project_get(request.user, slug, LABELING)
    kind = request.POST.get("kind", "")
    return go_to_next(request, project, kind if kind in Task.Kind.values else "")


@login_required
@require_POST
def label_next_anywhere(request: HttpRequest) -> HttpResponse:
    """Take the next task of any of my projects, by their priority, and go to it; instructions to read come first."""
    user = _user(request)
    try:
        assignment = assignment_claim_anywhere(labeler=user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("label-home")
    if assignment is None:
        messages.info(request, "Nothing is open to you in any project right now.")
        return redirect("label-home")
    if reading_of(user, assignment.task.project).is_due:
        return go_to_next(request, assignment.task.project, assignment.task.kind)
    return redirect("label-assignment", assignment.pk)


@login_required
@require_GET
def label_history(request: HttpRequest) -> HttpResponse:
    """My labels, newest first, with search. htmx asks for the next rows only."""
    user = _user(request)
    wanted = wanted_of(request.GET)
    page = labels_of(user, wanted, request.GET.get("before", ""))
    shown = {
        "page": page,
        "wanted": wanted,
        "asked": asked_of(request.GET),
        "is_narrowed": wanted != Wanted(),
        "kinds": Task.Kind.choices,
        "projects": list(projects_for(user, LABELING)),
    }
    template = "labeling/my_rows.html" if request.headers.get("HX-Request") else "labeling/my_history.html"
    return render(request, template, shown)


@login_required
@require_GET
def label_entry(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One of my labels with its versions, the feedback on it and what was said about the task."""
    user = _user(request)
    assignment = assignment_for(user, pk)
    if assignment is None or assignment.state != Assignment.State.SUBMITTED:
        raise Http404("You have no such label.")
    project_get(user, assignment.task.project.slug, LABELING)
    ends_at = correction_ends_at(assignment)
    shown = {
        "assignment": assignment,
        "project": assignment.task.project,
        "prompt": assignment.task.prompt,
        "given": label_given(assignment),
        "feedback": feedback_on(assignment),
        "posts": posts_for(user, assignment.task),
        "correction_ends_at": ends_at,
        "may_correct": ends_at is not None and timezone.now() < ends_at,
    }
    page = render(request, "labeling/my_label.html", shown)
    feedback_mark_seen(assignment=assignment, labeler=user)  # after it was rendered: what is new is marked so
    answers_mark_seen(task=assignment.task, labeler=user)
    return page


def wanted_of(query: QueryDict) -> Wanted:
    """The search that a page's address asks for. What cannot be read is not asked."""
    kind = query.get("kind", "")
    return Wanted(
        text=storable_text(query.get("q", "").strip()[:_TEXT_MAX]),
        kind=kind if kind in Task.Kind.values else "",
        project=query.get("project", "")[:60],
        since=_day(query.get("since", "")),
        until=_day(query.get("until", "")),
    )


def asked_of(query: QueryDict) -> str:
    """The same search as the query of a link, without the place in the list."""
    kept = query.copy()
    kept.pop("before", None)
    return kept.urlencode()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
