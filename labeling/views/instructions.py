"""The instructions, what changed in them, and saying that one has read them."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling.models import Instructions, Task
from labeling.permissions import project_get
from labeling.selectors.forms import form_of
from labeling.selectors.reading import changes_between, reading_of
from labeling.selectors.tasks import instructions_of
from labeling.services.instructions import instructions_confirm
from labeling.views.workplace import go_to_next
from people.access import LABELING
from people.models import User
from people.refusals import Refused

VERSIONS_SHOWN = 50


@login_required
@require_GET
def label_instructions(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest version, or the one named by `?version=`, with what changed since the one that I last confirmed.

    `?next=` with a kind of task, or empty, goes on to the next task once the version is confirmed.
    """
    project = project_get(request.user, slug, LABELING)
    wanted = request.GET.get("version", "")
    shown = instructions_of(project, _number(wanted))
    if shown is None and wanted:
        raise Http404("There is no such version.")
    reading = reading_of(cast(User, request.user), project)
    since = None
    if shown is not None and 0 < reading.confirmed < shown.version:
        since = instructions_of(project, reading.confirmed)
    versions = Instructions.objects.filter(project=project).order_by("-version").defer("text", "examples")
    context = {
        "project": project,
        "instructions": shown,
        "reading": reading,
        "since": since,
        "changes": changes_between(since, shown) if since and shown else [],
        "versions": list(versions[:VERSIONS_SHOWN]),
        "form": form_of(project),
        "goes_on": "next" in request.GET,
        "kind": _kind(request.GET.get("next", "")),
    }
    return render(request, "labeling/instructions.html", context)


@login_required
@require_POST
def label_instructions_read(request: HttpRequest, slug: str) -> HttpResponse:
    """Confirm a version, then go on to the next task, or back to the instructions."""
    project = project_get(request.user, slug, LABELING)
    try:
        version = _number(request.POST.get("version", ""))
        instructions_confirm(project=project, labeler=cast(User, request.user), version=version or 0)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("label-instructions", slug)
    if "next" in request.POST:
        return go_to_next(request, project, _kind(request.POST["next"]))
    return redirect("label-instructions", slug)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _kind(text: str) -> str:
    return text if text in Task.Kind.values else ""
