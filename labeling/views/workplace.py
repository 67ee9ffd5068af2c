"""The workplace of one assignment: show it, submit it and go on, hand it back, take it up again.

A page is a plain form that works without script; the scripts add the board, drafts and keys. What a page of one kind
of task shows and how its form is read stands in `ranking_page` and `writing_page`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labeling.models import Assignment, Instructions, SkipKind, Task
from labeling.selectors.assignments import assignment_for
from labeling.selectors.reading import reading_of
from labeling.selectors.tasks import done_today, instructions_of, terms_of
from labeling.services.assignments import assignment_release, assignment_resume
from labeling.services.claims import assignment_claim_next
from labeling.services.corrections import label_correct
from labeling.services.drafts import assignment_save_draft
from labeling.services.skips import assignment_skip
from labeling.views import ranking_page, writing_page
from people.access import LABELING, has_role
from people.models import Project, User
from people.refusals import Conflict, Refused

_NOT_IN_WORK = (Assignment.State.OFFERED, Assignment.State.SUBMITTED, Assignment.State.SKIPPED)
_NO_MORE = {
    "": "Nothing is open to you in {project} right now.",
    Task.Kind.RANKING: "No answers are left for you to rank in {project} right now.",
    Task.Kind.DEMONSTRATION: "No prompts are left for you to answer in {project} right now.",
    Task.Kind.COMPARISON: "No replies are left for you to compare in {project} right now.",
    Task.Kind.EVALUATION: "Nothing is left for you to evaluate in {project} right now.",
}


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def label_assignment(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The workplace of one assignment; POST submits it and goes on to the next task.

    With `?correct=1` a submitted label is filled in again, and POST puts a corrected one in its place. A script that
    asks for JSON gets the address to go on to, what was refused, or what to ask first (428); the bare form gets pages.
    """
    assignment = assignment_own(request, pk)
    page, correcting = _page(assignment), _is_correction(request, assignment)
    if request.method == "GET":
        draft = page.label_draft(assignment) if correcting else assignment.draft
        return _workplace(request, assignment, draft=draft)
    given = page.form_given(request.POST, assignment)
    key = request.POST.get("key", "")
    doubts = [] if request.POST.get("confirmed") else page.doubted(given, assignment)
    if doubts and assignment.idempotency_key != key:
        _keep(request, assignment, given)
        if _wants_json(request):
            return JsonResponse({"doubts": doubts}, status=428)
        return _workplace(request, assignment, draft=given, doubts=doubts, status=428)
    try:
        if correcting:
            label_correct(assignment_id=pk, labeler=_user(request), key=key, **page.label_values(given))
        else:
            page.submit(_user(request), assignment, key, given, **_effort(request.POST))
    except Refused as refusal:
        _keep(request, assignment, given)
        status = 409 if isinstance(refusal, Conflict) else 400
        if _wants_json(request):
            return JsonResponse({"detail": str(refusal)}, status=status)
        assignment.refresh_from_db(fields=["state", "draft", "draft_number"])
        return _workplace(request, assignment, draft=given, refusal=str(refusal), status=status)
    if correcting:
        messages.success(request, "Corrected. The earlier label stays in the history.")
        return _go(request, redirect("label-entry", pk))
    assignment.refresh_from_db(fields=["is_extra"])
    extra = " Others had answered it meanwhile, so it is kept as an extra label." if assignment.is_extra else ""
    if assignment.task.withdrawn_at:
        extra = " The task had been withdrawn meanwhile; your label is kept."
    messages.success(request, f"Submitted.{extra}")
    return _go(request, go_to_next(request, assignment.task.project, assignment.task.kind))


@login_required
@require_POST
def label_skip(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hand the task back with a reason and go on to the next one. Refused, its panel stays open as it was given."""
    assignment = assignment_own(request, pk)
    kind, reason = request.POST.get("kind", ""), request.POST.get("reason", "")
    try:
        assignment_skip(assignment_id=pk, labeler=_user(request), kind=kind, reason=reason)
    except Refused as refusal:
        status = 409 if isinstance(refusal, Conflict) else 400
        if _wants_json(request):
            return JsonResponse({"detail": str(refusal)}, status=status)
        assignment.refresh_from_db(fields=["state", "draft", "draft_number"])
        if assignment.state in _NOT_IN_WORK:  # a page without the panel
            messages.error(request, str(refusal))
            return redirect("label-assignment", pk)
        skip = {"kind": kind, "reason": reason, "refusal": str(refusal)}
        return _workplace(request, assignment, draft=assignment.draft, skip=skip, status=status)
    messages.info(request, "Skipped. Someone else will get this task; your draft is kept.")
    return _go(request, go_to_next(request, assignment.task.project, assignment.task.kind))


@login_required
@require_POST
def label_release(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Leave the task for now: its slot is free at once, the draft stays, and `next` offers it to the person first."""
    assignment_own(request, pk)
    assignment_release(assignment_id=pk, labeler=_user(request))
    messages.info(request, "Left for now. Your draft is kept; others may take the task meanwhile.")
    return redirect("label-home")


@login_required
@require_POST
def label_resume(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take up a task that is offered, or, again, one that was skipped or whose lease ended."""
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
    """Claim the next task and redirect to it, or say that there is none.

    Instructions that the labeler has not confirmed yet come first.
    """
    if reading_of(_user(request), project).is_due:
        return redirect(f"{reverse('label-instructions', args=[project.slug])}?{urlencode({'next': kind})}")
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
    """The module of this kind of task.

    It has `form_given`, `doubted`, `label_values`, `submit`, `context`, `label_given`, `label_draft` and `TEMPLATE`.
    """
    return writing_page if assignment.task.kind == Task.Kind.DEMONSTRATION else ranking_page


def _is_correction(request: HttpRequest, assignment: Assignment) -> bool:
    return request.GET.get("correct") == "1" and assignment.state == Assignment.State.SUBMITTED


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _go(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """A redirect for a form, the same address as JSON for a script, which would follow it without showing it."""
    return JsonResponse({"go": response.headers["Location"]}) if _wants_json(request) else response


def _priorities(task: Task, instructions: Instructions | None) -> str:
    """What comes first in labels of this kind of task (IG §3.4: it is not the same in training and in evaluations)."""
    if instructions is None:
        return ""
    is_evaluation = task.kind == Task.Kind.EVALUATION
    return instructions.evaluation_priorities if is_evaluation else instructions.training_priorities


def _effort(posted: QueryDict) -> dict[str, Any]:
    """What the page measured; a bare form measures nothing."""
    seconds = posted.get("focus_seconds", "")
    try:
        signals = json.loads(posted.get("signals", "") or "{}")
    except ValueError:
        signals = {}
    return {
        "focus_seconds": int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 9 else 0,
        "signals": signals if isinstance(signals, dict) else {},
    }


def _keep(request: HttpRequest, assignment: Assignment, given: dict[str, Any]) -> None:
    """Keep what was typed as the draft, unless the task is submitted already."""
    with suppress(Refused):
        assignment_save_draft(assignment_id=assignment.pk, labeler=_user(request), draft=given)


def _workplace(
    request: HttpRequest,
    assignment: Assignment,
    *,
    draft: Any,
    refusal: str = "",
    doubts: Sequence[str] = (),
    skip: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    task, project, page = assignment.task, assignment.task.project, _page(assignment)
    terms, correcting = terms_of(project), _is_correction(request, assignment)
    instructions = instructions_of(project, assignment.instructions_version)
    draft = draft if isinstance(draft, dict) else {}
    context: dict[str, Any] = {
        "assignment": assignment,
        "task": task,
        "project": project,
        "prompt": task.prompt,
        "instructions": instructions,
        "priorities": _priorities(task, instructions),
        "newest_instructions": terms.instructions_version,
        "done_today": done_today(_user(request), project),
        "refusal": refusal,
        "doubts": doubts,
        "correcting": correcting,
        "form_url": f"{reverse('label-assignment', args=[assignment.pk])}{'?correct=1' if correcting else ''}",
        "key": request.POST.get("key") or uuid.uuid4().hex,
        "heartbeat_seconds": max(10, min(60, terms.lease_minutes * 60 // 3)),
        "draft_url": reverse("api-assignment-draft", args=[assignment.pk]),
        "heartbeat_url": reverse("api-assignment-heartbeat", args=[assignment.pk]),
        "skip_kinds": SkipKind.choices,
        "skip": skip,
        "signals_json": json.dumps(assignment.signals),
    }
    if assignment.state in _NOT_IN_WORK and not correcting:
        label = page.label_given(assignment) if assignment.state == Assignment.State.SUBMITTED else {}
        unsent = draft.get("text") or draft.get("note") if refusal else ""
        return render(request, "labeling/closed.html", context | {"unsent": unsent} | label, status=status)
    return render(request, page.TEMPLATE, context | page.context(assignment, draft), status=status)
