"""The workplace of one assignment: show it, submit it and go on, hand it back, take it up again.

A page is a plain form that works without script; the scripts add the board, drafts and keys. What a page of one kind
of task shows and how its form is read stands in `ranking_page` and `writing_page`.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling.models import Assignment, Task
from labeling.selectors.assignments import assignment_for
from labeling.selectors.tasks import done_today, instructions_of, terms_of
from labeling.services.assignments import assignment_resume
from labeling.services.claims import assignment_claim_next
from labeling.services.drafts import assignment_save_draft
from labeling.services.skips import assignment_skip
from labeling.views import ranking_page, writing_page
from people.access import LABELING, has_role
from people.models import Project, User
from people.refusals import Conflict, Refused

_NO_MORE = {
    "": "Nothing is open to you in {project} right now.",
    Task.Kind.RANKING: "No answers are left for you to rank in {project} right now.",
    Task.Kind.DEMONSTRATION: "No prompts are left for you to answer in {project} right now.",
}


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def label_assignment(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The workplace of one assignment; POST submits it and goes on to the next task."""
    assignment = assignment_own(request, pk)
    if request.method == "GET":
        return _workplace(request, assignment, draft=assignment.draft)
    page = _page(assignment)
    given = page.form_given(request.POST, assignment)
    try:
        page.submit(_user(request), assignment, request.POST.get("key", ""), given)
    except Refused as refusal:
        with suppress(Refused):  # what was typed is kept, unless the task is submitted already
            assignment_save_draft(assignment_id=pk, labeler=_user(request), draft=given)
        assignment.refresh_from_db(fields=["state", "draft"])
        status = 409 if isinstance(refusal, Conflict) else 400
        return _workplace(request, assignment, draft=given, refusal=str(refusal), status=status)
    assignment.refresh_from_db(fields=["is_extra"])
    extra = " Others had answered it meanwhile, so it is kept as an extra label." if assignment.is_extra else ""
    messages.success(request, f"Submitted.{extra}")
    return go_to_next(request, assignment.task.project, assignment.task.kind)


@login_required
@require_POST
def label_skip(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hand the task back with a reason and go on to the next one."""
    assignment = assignment_own(request, pk)
    try:
        assignment_skip(assignment_id=pk, labeler=_user(request), reason=request.POST.get("reason", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("label-assignment", pk)
    messages.info(request, "Skipped. Someone else will get this task; your draft is kept.")
    return go_to_next(request, assignment.task.project, assignment.task.kind)


@login_required
@require_POST
def label_resume(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take up a skipped task, or one whose lease ended, again."""
    assignment_own(request, pk)
    try:
        assignment_resume(assignment_id=pk, labeler=_user(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("label-assignment", pk)


def assignment_own(request: HttpRequest, pk: uuid.UUID) -> Assignment:
    """The person's own assignment. Raises Http404 for others', PermissionDenied when they label there no more."""
    assignment = assignment_for(_user(request), pk)
    if assignment is None:
        raise Http404("There is no such assignment.")
    if not has_role(request.user, assignment.task.project, LABELING):
        raise PermissionDenied(f"You do not label in the project {assignment.task.project.name} any more.")
    return assignment


def go_to_next(request: HttpRequest, project: Project, kind: str) -> HttpResponse:
    """Claim the next task and redirect to it, or say that there is none."""
    try:
        assignment = assignment_claim_next(labeler=_user(request), project=project, kind=kind or None)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("label-home")
    if assignment is None:
        messages.info(request, _NO_MORE[kind].format(project=project.name))
        return redirect("label-home")
    return redirect("label-assignment", assignment.pk)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _page(assignment: Assignment) -> Any:
    """The module of this kind of task: `form_given`, `submit`, `context`, `label_given` and `TEMPLATE`."""
    return writing_page if assignment.task.kind == Task.Kind.DEMONSTRATION else ranking_page


def _workplace(
    request: HttpRequest, assignment: Assignment, *, draft: Any, refusal: str = "", status: int = 200
) -> HttpResponse:
    task, project, page = assignment.task, assignment.task.project, _page(assignment)
    terms = terms_of(project)
    draft = draft if isinstance(draft, dict) else {}
    context: dict[str, Any] = {
        "assignment": assignment,
        "task": task,
        "project": project,
        "prompt": task.prompt,
        "instructions": instructions_of(project, assignment.instructions_version),
        "newest_instructions": terms.instructions_version,
        "done_today": done_today(_user(request), project),
        "refusal": refusal,
        "key": uuid.uuid4().hex,
        "heartbeat_seconds": max(10, min(60, terms.lease_minutes * 60 // 3)),
        "draft_url": reverse("api-assignment-draft", args=[assignment.pk]),
        "heartbeat_url": reverse("api-assignment-heartbeat", args=[assignment.pk]),
    }
    if assignment.state in (Assignment.State.SUBMITTED, Assignment.State.SKIPPED):
        label = page.label_given(assignment) if assignment.state == Assignment.State.SUBMITTED else {}
        unsent = draft.get("text") if refusal else ""
        return render(request, "labeling/closed.html", context | {"unsent": unsent} | label, status=status)
    return render(request, page.TEMPLATE, context | page.context(assignment, draft), status=status)
