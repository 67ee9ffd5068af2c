"""Pages of runs: the list, the form of a new one, one run live, its log, stopping it."""

from __future__ import annotations

import hashlib
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from people.access import FOLLOWING, TRAINING, has_role, projects_for
from people.models import Project, User
from people.refusals import Refused
from training import tasks
from training.engine.config import KINDS, PRESETS
from training.launcher import LOG
from training.models import Run
from training.permissions import projects_required, run_required
from training.selectors.curves import run_charts, time_spent
from training.selectors.reward_tables import reward_tables
from training.selectors.runs import run_checkpoint, run_differences, run_lineage, run_samples, runs_of
from training.selectors.snapshots import snapshot_counts
from training.selectors.summaries import summary_rows
from training.services.runs import run_cancel, run_create, run_resume
from training.views.run_form import RunForm

_A_PAGE = 50


@require_safe
@login_required
def run_list(request: HttpRequest) -> HttpResponse:
    """The runs of the projects that one follows, newest first; htmx asks for the table alone."""
    projects = projects_required(request.user, FOLLOWING)
    runs = runs_of(projects)
    chosen = projects.filter(slug=request.GET.get("project", "")).first()
    if chosen:
        runs = runs.filter(project=chosen)
    page = Paginator(runs, _A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "projects": projects,
        "chosen": chosen,
        "is_live": any(not run.is_final for run in page),
        "may_start": projects_for(request.user, TRAINING).exists(),
    }
    return render(request, "training/run_table.html" if request.htmx else "training/runs.html", context)  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@login_required
def run_new(request: HttpRequest) -> HttpResponse:
    """Start a run: kind, project and preset by the address, everything else in the form."""
    projects = projects_required(request.user, TRAINING)
    project = projects.filter(slug=request.GET.get("project", "")).first() or projects[0]
    kind, preset = _one_of(KINDS, request.GET.get("kind"), "sft"), _one_of(PRESETS, request.GET.get("preset"), "cpu")
    asked = request.GET
    initial: dict[str, Any] = {name: asked[name] for name in ("snapshot", "policy", "reward") if name in asked}
    if "models" in request.GET:
        initial["models"] = request.GET.getlist("models")
    form = RunForm(project, kind, preset, request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            run = _start(request, form, project, kind, preset)
        except Refused as refusal:
            again = request.POST.copy()
            again["key"] = uuid4().hex  # sent again, it is another request
            form.data = again
            form.add_error(None, str(refusal))
        else:
            return redirect("run-detail", run.pk)
    context = {
        "form": form,
        "project": project,
        "projects": projects,
        "kind": kind,
        "preset": preset,
        "kinds": Run.Kind.choices,
        "presets": PRESETS,
    }
    return render(
        request, "training/run_new.html", context, status=200 if form.is_valid() or not form.is_bound else 422
    )


@require_safe
@login_required
def run_detail(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run, live."""
    run = run_required(request.user, run_id)
    return render(request, "training/run.html", _shown(request, run))


@require_safe
@login_required
def run_live(request: HttpRequest, run_id: int) -> HttpResponse:
    """What changes of a run's page; 204, which leaves the page alone, when nothing did since `seen`."""
    run = run_required(request.user, run_id)
    if request.GET.get("seen") == _version(run):
        return HttpResponse(status=204)
    return render(request, "training/run_live.html", _shown(request, run))


@require_http_methods(["GET", "POST"])
@login_required
def run_stop(request: HttpRequest, run_id: int) -> HttpResponse:
    """Ask whether to stop the run; on POST, stop it."""
    run = run_required(request.user, run_id, TRAINING)
    if request.method != "POST":
        return render(request, "training/run_stop.html", {"run": run})
    try:
        stopped = run_cancel(run_id=run.pk)
    except Refused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, f"{run} {'is stopped' if stopped.is_final else 'is stopping'}.")
    return redirect("run-detail", run.pk)


@require_POST
@login_required
def run_go_on(request: HttpRequest, run_id: int) -> HttpResponse:
    """Go on with a failed or stopped run from its saved state."""
    run = run_required(request.user, run_id, TRAINING)
    try:
        run_resume(run_id=run.pk)
    except Refused as refusal:
        messages.warning(request, str(refusal))
    else:
        tasks.run_call(run.pk)
        messages.success(request, f"{run} goes on as soon as a training worker is free.")
    return redirect("run-detail", run.pk)


@require_safe
@login_required
def run_log(request: HttpRequest, run_id: int) -> HttpResponse | FileResponse:
    """The run's whole log where it ran on this machine, else its end, which every run keeps in the database."""
    run = run_required(request.user, run_id)
    path = settings.RUNS_DIR / str(run.pk) / LOG
    plain = "text/plain; charset=utf-8"
    if path.is_file():
        return FileResponse(path.open("rb"), content_type=plain)
    return HttpResponse(run.log_tail or "This run has written no log.\n", content_type=plain)


def _shown(request: HttpRequest, run: Run) -> dict[str, Any]:
    return {
        "run": run,
        "version": _version(run),
        "charts": run_charts(run),
        "spent": time_spent(run),
        "samples": run_samples(run),
        "differences": run_differences(run),
        "lineage": run_lineage(run),
        "counts": snapshot_counts(run.snapshot),
        "summary": summary_rows(run),
        "tables": reward_tables(run),
        "made": run_checkpoint(run),
        "may_train": has_role(request.user, run.project, TRAINING),
    }


def _version(run: Run) -> str:
    """A mark of what the page shows now: equal marks, equal pages."""
    last = run.metrics.order_by("-line").values_list("line", flat=True).first()
    standing = (run.state, run.attempt, run.saved_step)
    shown = (*standing, run.phase, run.done, run.total, run.progress_at, last, len(run.notes), run.log_tail)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def _start(request: HttpRequest, form: RunForm, project: Project, kind: str, preset: str) -> Run:
    given, is_check = form.cleaned_data, "check" in request.POST
    run, _ = run_create(
        project=project,
        kind=kind,
        preset=preset,
        requested_by=cast(User, request.user),
        name=given["name"],
        key="" if is_check else given["key"],  # the same form may start the run afterwards
        snapshot=given["snapshot"],
        policy=given.get("policy", ""),
        reward=given.get("reward", ""),
        models=given.get("models", ()),
        settings=form.overrides(),
        dry_run=is_check,
    )
    tasks.run_call(run.pk)
    return run


def _one_of(known: tuple[str, ...], asked: str | None, default: str) -> str:
    return asked if asked in known else default
