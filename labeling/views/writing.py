"""Beside the editor: the text as it will be shown, and earlier drafts to look at and take back."""

from __future__ import annotations

import uuid
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.models import Task
from labeling.selectors.writing import revision_of, revisions_of
from labeling.services.demonstrations import TEXT_MAX
from labeling.services.drafts import assignment_save_draft
from labeling.views.workplace import assignment_own
from people.models import User
from people.refusals import Refused


@login_required
@require_POST
def label_preview(request: HttpRequest) -> HttpResponse:
    """A piece of Markdown as pages show it, sanitised. Nothing is kept."""
    text = request.POST.get("text", "")
    return render(request, "labeling/preview.html", {"text": text[:TEXT_MAX], "is_cut": len(text) > TEXT_MAX})


@never_cache
@login_required
@require_GET
def label_revisions(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The earlier drafts of an own answer, newest first."""
    assignment = assignment_own(request, pk)
    if assignment.task.kind != Task.Kind.DEMONSTRATION:
        raise Http404("Only written answers have earlier drafts to look at.")
    shown = {"assignment": assignment, "project": assignment.task.project, "revisions": revisions_of(assignment)}
    template = "labeling/my_drafts_list.html" if request.headers.get("HX-Request") else "labeling/my_drafts.html"
    return render(request, template, shown)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def label_revision(request: HttpRequest, pk: uuid.UUID, number: int) -> HttpResponse:
    """One earlier draft; POST makes it the draft again, and what it replaces stays among the earlier ones."""
    assignment = assignment_own(request, pk)
    revision = revision_of(assignment, number)
    if revision is None or assignment.task.kind != Task.Kind.DEMONSTRATION:
        raise Http404("There is no such draft.")
    if request.method == "POST":
        try:
            assignment_save_draft(assignment_id=pk, labeler=cast(User, request.user), draft=revision.draft)
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("label-assignment", pk)
    shown = {"assignment": assignment, "project": assignment.task.project, "revision": revision}
    template = "labeling/my_draft_text.html" if request.headers.get("HX-Request") else "labeling/my_draft.html"
    return render(request, template, shown)
