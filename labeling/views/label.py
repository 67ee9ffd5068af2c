"""The labeler's own pages around the workplace: queues, the next task, and the instructions."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from labeling.models import Task
from labeling.permissions import project_get
from labeling.selectors.tasks import instructions_of, queues_for, terms_of
from labeling.views.workplace import go_to_next
from people.access import LABELING
from people.models import User


@login_required
@require_GET
def label_home(request: HttpRequest) -> HttpResponse:
    """My projects: what is open, what I have in work and what I did today."""
    return render(request, "labeling/label.html", {"queues": queues_for(cast(User, request.user))})


@login_required
@require_POST
def label_next(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the next task and go to it."""
    project = project_get(request.user, slug, LABELING)
    kind = request.POST.get("kind", "")
    return go_to_next(request, project, kind if kind in Task.Kind.values else "")


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
