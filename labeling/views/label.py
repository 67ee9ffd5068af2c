"""The labeler's pages: queues, the workplace for writing and ranking, and the instructions.

The workplace is a plain form that works without script; the scripts add the board, drafts and keys.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from exchange.text import storable_text
from labeling.models import Assignment, Completion, Task
from labeling.permissions import project_get
from labeling.rankings import groups_from_ranks, ranks_from_groups
from labeling.selectors.assignments import assignment_for, completions_shown
from labeling.selectors.tasks import done_today, instructions_of, queues_for, terms_of
from labeling.services.assignments import (
    assignment_claim_next,
    assignment_resume,
    assignment_skip,
)
from labeling.services.demonstrations import TEXT_MAX, demonstration_submit
from labeling.services.drafts import assignment_save_draft
from labeling.services.rankings import ranking_submit
from people.access import LABELING, has_role
from people.models import User
from people.refusals import Conflict, Refused

_NO_MORE = {
    "": "Nothing is open to you in {project} right now.",
    Task.Kind.RANKING: "No answers are left for you to rank in {project} right now.",
    Task.Kind.DEMONSTRATION: "No prompts are left for you to answer in {project} right now.",
}


@login_required
@require_GET
def label_home(request: HttpRequest) -> HttpResponse:
    """My projects: what is open, what I have in work and what I did today."""
    return render(request, "labeling/label.html", {"queues": queues_for(_user(request))})


@login_required
@require_POST
def label_next(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the next task and go to it."""
    project = project_get(request.user, slug, LABELING)
    kind = request.POST.get("kind", "")
    return _go_to_next(request, project, kind if kind in Task.Kind.values else "")


@login_required
@require_GET
def label_instructions(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's instructions: the newest version, or the one named by `?version=`."""
    project = project_get(request.user, slug, LABELING)
    wanted = request.GET.get("version", "")
    shown = instructions_of(
        project, int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else None
    )
    if shown is None and wanted:
        raise Http404("There is no such version.")
    newest = terms_of(project).instructions_version
    return render(request, "labeling/instructions.html", {"project": project, "instructions": shown, "newest": newest})


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def label_assignment(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The workplace of one assignment; POST submits it and goes on to the next task."""
    assignment = _own(request, pk)
    if request.method == "GET":
        return _workplace(request, assignment, draft=assignment.draft)
    given = _from_form(request.POST, assignment)
    try:
        _submit(_user(request), assignment, request.POST.get("key", ""), given)
    except Refused as refusal:
        with suppress(Refused):  # what was typed is kept, unless the task is submitted already
            assignment_save_draft(assignment_id=pk, labeler=_user(request), draft=given)
        assignment.refresh_from_db(fields=["state", "draft"])
        status = 409 if isinstance(refusal, Conflict) else 400
        return _workplace(request, assignment, draft=given, refusal=str(refusal), status=status)
    assignment.refresh_from_db(fields=["is_extra"])
    extra = " Others had answered it meanwhile, so it is kept as an extra label." if assignment.is_extra else ""
    messages.success(request, f"Submitted.{extra}")
    return _go_to_next(request, assignment.task.project, assignment.task.kind)


@login_required
@require_POST
def label_skip(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Hand the task back with a reason and go on to the next one."""
    assignment = _own(request, pk)
    try:
        assignment_skip(assignment_id=pk, labeler=_user(request), reason=request.POST.get("reason", ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("label-assignment", pk)
    messages.info(request, "Skipped. Someone else will get this task; your draft is kept.")
    return _go_to_next(request, assignment.task.project, assignment.task.kind)


@login_required
@require_POST
def label_resume(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Take up a skipped task, or one whose lease ended, again."""
    _own(request, pk)
    try:
        assignment_resume(assignment_id=pk, labeler=_user(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("label-assignment", pk)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _own(request: HttpRequest, pk: uuid.UUID) -> Assignment:
    assignment = assignment_for(_user(request), pk)
    if assignment is None:
        raise Http404("There is no such assignment.")
    if not has_role(request.user, assignment.task.project, LABELING):
        raise PermissionDenied(f"You do not label in the project {assignment.task.project.name} any more.")
    return assignment


def _go_to_next(request: HttpRequest, project: Any, kind: str) -> HttpResponse:
    try:
        assignment = assignment_claim_next(labeler=_user(request), project=project, kind=kind or None)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("label-home")
    if assignment is None:
        messages.info(request, _NO_MORE[kind].format(project=project.name))
        return redirect("label-home")
    return redirect("label-assignment", assignment.pk)


def _submit(labeler: User, assignment: Assignment, key: str, given: dict[str, Any]) -> None:
    if assignment.task.kind == Task.Kind.DEMONSTRATION:
        demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key=key, text=given["text"])
    else:
        ranking_submit(
            assignment_id=assignment.pk,
            labeler=labeler,
            key=key,
            groups=groups_from_ranks(given["ranks"]),
            ratings=given["ratings"],
            note=given["note"],
        )


def _from_form(posted: QueryDict, assignment: Assignment) -> dict[str, Any]:
    """The form's fields in the shape of a draft. What is no number counts as not given."""
    if assignment.task.kind == Task.Kind.DEMONSTRATION:
        return {"text": storable_text(posted.get("text", ""))}
    return {
        "ranks": _numbers(posted, "rank-", assignment.shown_order),
        "ratings": _numbers(posted, "rating-", assignment.shown_order),
        "note": storable_text(posted.get("note", "")),
    }


def _numbers(posted: QueryDict, prefix: str, completion_ids: list[str]) -> dict[str, int]:
    values = {completion_id: posted.get(prefix + completion_id, "") for completion_id in completion_ids}
    return {i: int(v) for i, v in values.items() if v.isascii() and v.isdigit() and len(v) < 4}


def _workplace(
    request: HttpRequest, assignment: Assignment, *, draft: Any, refusal: str = "", status: int = 200
) -> HttpResponse:
    task, project = assignment.task, assignment.task.project
    terms = terms_of(project)
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
        "text_max": TEXT_MAX,
    }
    draft = draft if isinstance(draft, dict) else {}
    completions = completions_shown(assignment)
    if assignment.state in (Assignment.State.SUBMITTED, Assignment.State.SKIPPED):
        context |= {"unsent": draft.get("text") if refusal else "", **_label_given(assignment, completions)}
        return render(request, "labeling/closed.html", context, status=status)
    if task.kind == Task.Kind.DEMONSTRATION:
        text = draft.get("text")
        return render(
            request,
            "labeling/demonstrate.html",
            context | {"text": text if isinstance(text, str) else ""},
            status=status,
        )
    note = draft.get("note")
    context |= {
        "answers": _answers(completions, draft),
        "places": range(1, len(completions) + 1),
        "scale": range(1, 8),
        "note": note if isinstance(note, str) else "",
    }
    return render(request, "labeling/rank.html", context, status=status)


def _answers(completions: list[Completion], draft: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers with their letters, and what the draft says about each."""
    return [
        {
            "letter": _letter(index),
            "completion": completion,
            "rank": _of(draft.get("ranks"), completion),
            "rating": _of(draft.get("ratings"), completion),
        }
        for index, completion in enumerate(completions)
    ]


def _of(values: Any, completion: Completion) -> Any:
    return values.get(str(completion.pk)) if isinstance(values, dict) else None


def _letter(index: int) -> str:
    """A … Z, AA, AB, …"""
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def _label_given(assignment: Assignment, completions: list[Completion]) -> dict[str, Any]:
    """What was submitted, for reading: the text, or the answers in their ranks."""
    if assignment.state != Assignment.State.SUBMITTED:
        return {}
    if assignment.task.kind == Task.Kind.DEMONSTRATION:
        return {"label": assignment.demonstrations.get(superseded_at=None)}
    ranking = assignment.rankings.get(superseded_at=None)
    ranks = ranks_from_groups(ranking.groups)
    ratings = dict(ranking.ratings.values_list("completion_id", "overall"))
    answers = [
        {"letter": _letter(i), "completion": c, "rank": ranks[str(c.pk)] + 1, "rating": ratings.get(c.pk)}
        for i, c in enumerate(completions)
    ]
    return {"label": ranking, "answers": sorted(answers, key=lambda a: cast(int, a["rank"]))}
