"""Pages of what runs learn from and leave behind: snapshots and model versions, with lineage and files."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from exchange.envelope import EnvelopeError
from people.access import FOLLOWING, TRAINING, has_role
from training.models import Run
from training.permissions import checkpoint_required, projects_required, snapshot_required
from training.selectors.checkpoints import checkpoint_parents, checkpoint_uses, checkpoints_of
from training.selectors.reward_tables import reward_tables
from training.selectors.runs import run_lineage
from training.selectors.snapshots import snapshot_counts
from training.selectors.summaries import summary_rows
from training.services.artifacts import store


@require_safe
@login_required
def model_list(request: HttpRequest) -> HttpResponse:
    """The model versions of the projects that one follows, newest first."""
    projects = projects_required(request.user, FOLLOWING)
    return render(request, "training/models.html", {"checkpoints": checkpoints_of(projects)[:500]})


@require_safe
@login_required
def model_detail(request: HttpRequest, digest: str) -> HttpResponse:
    """A model version: what it was made from, what was made with it, its files and how to load them."""
    checkpoint = checkpoint_required(request.user, digest)
    context = {
        "checkpoint": checkpoint,
        "run": checkpoint.run,
        "parents": checkpoint_parents(checkpoint),
        "uses": checkpoint_uses(checkpoint),
        "lineage": run_lineage(checkpoint.run),
        "summary": summary_rows(checkpoint.run),
        "tables": reward_tables(checkpoint.run),
        "files": sorted(checkpoint.manifest.get("files", {}).items()),
        "place": store().address("checkpoints", digest),
        "may_start": has_role(request.user, checkpoint.project, TRAINING),
    }
    return render(request, "training/model.html", context)


@require_safe
@login_required
def snapshot_detail(request: HttpRequest, digest: str) -> HttpResponse:
    """A snapshot: counts, provenance, files, and the runs made from it."""
    snapshot = snapshot_required(request.user, digest)
    meta = snapshot.manifest.get("meta", {})
    context = {
        "snapshot": snapshot,
        "counts": snapshot_counts(snapshot),
        "provenance": meta.get("provenance", {}),
        "left_out": {name.replace("_", " "): n for name, n in meta.get("left_out", {}).items() if n},
        "split_rule": meta.get("split_rule", ""),
        "files": sorted(snapshot.manifest.get("files", {}).items()),
        "runs": Run.objects.filter(snapshot=snapshot).select_related("project")[:200],
        "may_start": has_role(request.user, snapshot.project, TRAINING),
    }
    return render(request, "training/snapshot.html", context)


@require_safe
@login_required
def model_file(request: HttpRequest, digest: str, name: str) -> FileResponse:
    """One file of a model version, verified."""
    return _file("checkpoints", digest, name, checkpoint_required(request.user, digest).manifest)


@require_safe
@login_required
def snapshot_file(request: HttpRequest, digest: str, name: str) -> FileResponse:
    """One file of a snapshot, verified."""
    return _file("snapshots", digest, name, snapshot_required(request.user, digest).manifest)


def _file(kind: str, digest: str, name: str, manifest: dict[str, object]) -> FileResponse:
    files = manifest.get("files", {})
    if not isinstance(files, dict) or name not in files:  # so that no other path can be asked for
        raise Http404
    try:
        path = store().file(kind, digest, name)
    except EnvelopeError as error:
        raise Http404(str(error)) from error
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"{digest[:12]}-{path.name}")
