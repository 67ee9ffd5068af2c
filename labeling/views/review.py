"""Review: a project's labels, newest first, and what reviewers and managers tell those who gave them."""

from __future__ import annotations

import uuid
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from labeling.models import Task
from labeling.permissions import project_get
from labeling.selectors.history import feedback_on, label_given
from labeling.selectors.reviews import ReviewWanted, label_for_review, labelers_of, labels_to_review
from labeling.selectors.talk import questions_open_count
from labeling.services.feedback import GRADES, feedback_give
from labeling.views.my_work import asked_of, wanted_of
from people.access import REVIEWING, projects_for
from people.models import User
from people.refusals import Refused

_FEEDBACK = {"none": "Without feedback", "some": "With feedback"}


@login_required
@require_GET
def review_home(request: HttpRequest) -> HttpResponse:
    """The projects that the person reviews; straight on to the only one."""
    projects = list(projects_for(request.user, REVIEWING))
    if len(projects) == 1:
        return redirect("review-list", projects[0].slug)
    waiting = questions_open_count(_user(request))
    rows = [(project, waiting.get(project.slug, 0)) for project in projects]
    return render(request, "labeling/review_home.html", {"rows": rows})


@login_required
@require_GET
def review_list(request: HttpRequest, slug: str) -> HttpResponse:
    """The labels of a project, newest first, with filters. htmx asks for the next rows only."""
    project = project_get(request.user, slug, REVIEWING)
    feedback = request.GET.get("feedback", "")
    wanted = ReviewWanted(
        wanted_of(request.GET),
        labeler=request.GET.get("labeler", "")[:150],
        feedback=feedback if feedback in _FEEDBACK else "",
    )
    shown = {
        "project": project,
        "page": labels_to_review(project, wanted, request.GET.get("before", "")),
        "wanted": wanted.label,
        "review": wanted,
        "asked": asked_of(request.GET),
        "kinds": Task.Kind.choices,
        "labelers": labelers_of(project),
        "feedback_choices": _FEEDBACK.items(),
        "is_narrowed": any(request.GET.get(name) for name in ("q", "kind", "since", "until", "labeler", "feedback")),
        "part": "labels",
    }
    template = "labeling/review_rows.html" if request.headers.get("HX-Request") else "labeling/review.html"
    return render(request, template, shown)


@login_required
@require_http_methods(["GET", "POST"])
def review_label(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """One label as it was given; POST gives feedback on it."""
    project = project_get(request.user, slug, REVIEWING)
    assignment = label_for_review(project, pk)
    if assignment is None:
        raise Http404("There is no such label.")
    refusal = ""
    if request.method == "POST":
        grade = request.POST.get("grade", "")
        try:
            feedback_give(
                assignment_id=pk,
                reviewer=_user(request),
                grade=int(grade) if grade.isascii() and grade.isdigit() and len(grade) < 4 else None,
                text=request.POST.get("text", ""),
            )
            messages.success(request, f"{assignment.labeler.username} will see it on their work page.")
            return redirect("review-label", slug, pk)
        except Refused as refused:
            refusal = str(refused)
    shown = {
        "project": project,
        "assignment": assignment,
        "prompt": assignment.task.prompt,
        "given": label_given(assignment),
        "feedback": feedback_on(assignment),
        "grades": GRADES,
        "is_own": assignment.labeler_id == request.user.pk,
        "refusal": refusal,
        "text": request.POST.get("text", "") if refusal else "",
        "grade": request.POST.get("grade", "") if refusal else "",
        "part": "labels",
    }
    return render(request, "labeling/review_label.html", shown, status=400 if refusal else 200)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
