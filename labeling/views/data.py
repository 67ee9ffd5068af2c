"""The data page: what a project has, files in, snapshots out, and what came back from training."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling.formats.names import NAMES
from labeling.models import CompletionBatch, Import, Snapshot
from labeling.permissions import project_get
from labeling.selectors.overview import project_overview
from labeling.selectors.underway import underway_of
from labeling.services.imports import import_create
from labeling.services.snapshots import snapshot_create
from labeling.tasks import import_call, snapshot_call
from people.access import MANAGING, projects_for
from people.models import Project, User
from people.refusals import Refused

SHOWN = 10
UNDER_WAY = (Import.State.QUEUED, Import.State.RUNNING)  # and a snapshot's, which are called alike


@login_required
@require_GET
def data_home(request: HttpRequest) -> HttpResponse:
    """The projects that the person manages; straight on to the only one."""
    projects = list(projects_for(request.user, MANAGING))
    if len(projects) == 1:
        return redirect("data-project", slug=projects[0].slug)
    rows = [(project, project_overview(project)) for project in projects]
    return render(request, "labeling/data_home.html", {"rows": rows})


@login_required
@require_GET
def data_project(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything about a project's data on one page."""
    project = project_get(request.user, slug, MANAGING)
    shown = {"formats": NAMES.items(), "on_error": Import.OnError.choices}
    return render(request, "labeling/data.html", {**shown, **_live(request, project)})


@login_required
@require_GET
def data_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The part of the page that changes, which asks for itself again while a job is under way."""
    project = project_get(request.user, slug, MANAGING)
    return render(request, "labeling/data_live.html", _live(request, project))


@login_required
@require_POST
def data_upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue the import of an uploaded file; a refusal is shown on the page."""
    project = project_get(request.user, slug, MANAGING)
    upload = request.FILES.get("file")
    try:
        if not isinstance(upload, UploadedFile):
            raise Refused("Choose a file to import.")
        job = import_create(
            project=project,
            upload=upload,
            format=request.POST.get("format", ""),
            on_error=request.POST.get("on_error", ""),
            user=cast(User, request.user),
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        import_call(job.pk)
    return redirect("data-project", slug=slug)


@login_required
@require_POST
def data_freeze(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue a snapshot of the project as it is now."""
    project = project_get(request.user, slug, MANAGING)
    try:
        snapshot = snapshot_create(project=project, user=cast(User, request.user))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        snapshot_call(snapshot.pk)
    return redirect("data-project", slug=slug)


def _live(request: HttpRequest, project: Project) -> dict[str, object]:
    def paged(rows: QuerySet[Any], name: str) -> Page[Any]:
        return Paginator(rows.filter(project=project).order_by("-pk"), SHOWN).get_page(request.GET.get(name))

    imports = paged(Import.objects.select_related("requested_by"), "page")
    snapshots = paged(Snapshot.objects.select_related("requested_by"), "snapshots")
    overview = project_overview(project)
    running = [job for job in imports if job.state == Import.State.RUNNING]
    return {
        "project": project,
        "overview": overview,
        "prompts_total": sum(overview.prompts.values()),
        "demonstrations_total": sum(overview.demonstrations.values()),
        "rankings_total": sum(overview.rankings.values()),
        "imports": imports,
        "underway": underway_of(running),
        "snapshots": snapshots,
        "batches": paged(CompletionBatch.objects.all(), "batches"),
        # Of all jobs, whichever page of them is shown: its figures change, too.
        "is_under_way": any(
            model.objects.filter(project=project, state__in=UNDER_WAY).exists() for model in (Import, Snapshot)
        ),
    }
