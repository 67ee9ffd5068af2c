"""The curation page: the funnel, steps to run and undo, and what each of them did."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeling.curation_options import OPTIONS
from labeling.models import CurationStep, Prompt
from labeling.permissions import project_get
from labeling.selectors.curation import funnel_of, prompts_dropped, prompts_masked, steps_of
from labeling.selectors.underway import underway_of
from labeling.services.curation import curation_create, curation_undo
from labeling.tasks import curation_call
from people.access import MANAGING
from people.models import Project, User
from people.refusals import Refused

SHOWN = 10  # steps that are queued, running, failed or undone
PAGE = 50  # prompts of a step
EXCERPT = 600  # characters of a prompt
_UNDER_WAY = (CurationStep.State.QUEUED, CurationStep.State.RUNNING)
ABOUT = {
    "exact": "Drops prompts that read the same as an earlier one; letter case and white space do not count.",
    "prefix": "Drops prompts that share a long beginning with an earlier one.",
    "near": "Drops prompts that are nearly the same as an earlier one.",
    "cap": "Keeps the earliest prompts of each author.",
    "pii": "Masks personal data that is known by its form. Names and addresses are not found.",
    "length": "Drops prompts that are too short or too long.",
    "language": "Fills in the language where it can be told, and drops prompts in others.",
}


@login_required
@require_GET
def curation_project(request: HttpRequest, slug: str) -> HttpResponse:
    """The funnel of a project, and the rules that can be run."""
    project = project_get(request.user, slug, MANAGING)
    rules = [(rule, ABOUT[rule], OPTIONS[rule]) for rule in CurationStep.Rule]
    return render(request, "labeling/curation.html", {"rules": rules, **_live(project)})


@login_required
@require_GET
def curation_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The part of the page that changes, which asks for itself again while a step is under way."""
    return render(request, "labeling/curation_live.html", _live(project_get(request.user, slug, MANAGING)))


@login_required
@require_POST
def curation_run(request: HttpRequest, slug: str) -> HttpResponse:
    """Queue a step; a refusal is shown on the page."""
    project = project_get(request.user, slug, MANAGING)
    rule = request.POST.get("rule", "")
    try:
        step = curation_create(
            project=project, rule=rule, options=_options(rule, request.POST), user=cast(User, request.user)
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        curation_call(step.pk)
    return redirect("curation", slug=slug)


@login_required
@require_POST
def curation_undo_step(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Queue the undoing of a step; a refusal is shown on the page."""
    step = _step(request, slug, pk)
    try:
        curation_undo(step_id=step.pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        curation_call(step.pk)
    return redirect("curation", slug=slug)


@login_required
@require_GET
def curation_step(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What a step dropped or masked, some at a time, from the oldest prompt on."""
    step = _step(request, slug, pk)
    after = request.GET.get("after", "")
    shown = {"step": step, "project": step.project, "excerpt": EXCERPT, "after": after}
    rows: list[Any]
    if step.rule == CurationStep.Rule.PII:
        masks = prompts_masked(step)
        is_number = after.isdecimal() and len(after) <= 18
        rows = list((masks.filter(pk__gt=int(after)) if is_number else masks)[: PAGE + 1])
        return render(request, "labeling/curation_masks.html", {**shown, **_paged(rows)})
    dropped = prompts_dropped(step)
    if (last := _prompt(step.project, after)) is not None:
        # The first condition is what the index goes by, the second is left for prompts of one moment.
        dropped = dropped.filter(created_at__gte=last.created_at)
        dropped = dropped.filter(Q(created_at__gt=last.created_at) | Q(pk__gt=last.pk))
    return render(request, "labeling/curation_dropped.html", {**shown, **_paged(list(dropped[: PAGE + 1]))})


def _step(request: HttpRequest, slug: str, pk: int) -> CurationStep:
    return get_object_or_404(
        CurationStep.objects.select_related("project"), project=project_get(request.user, slug, MANAGING), pk=pk
    )


def _live(project: Project) -> dict[str, Any]:
    others = list(steps_of(project).exclude(state=CurationStep.State.DONE)[:SHOWN])
    running = [step for step in others if step.state == CurationStep.State.RUNNING]
    return {
        "project": project,
        "funnel": funnel_of(project),
        "others": others,
        "underway": underway_of(running),
        "is_under_way": any(step.state in _UNDER_WAY for step in others),
    }


def _options(rule: str, given: QueryDict) -> dict[str, Any]:
    """The fields of the rule's form; a list where several can be chosen, also when none is."""
    return {
        option.name: given.getlist(option.name) if option.kind == "several" else given.get(option.name, "")
        for option in OPTIONS.get(rule, ())
    }


def _paged(rows: list[Any]) -> dict[str, Any]:
    return {"rows": rows[:PAGE], "next": rows[PAGE - 1].pk if len(rows) > PAGE else None}


def _prompt(project: Project, text: str) -> Prompt | None:
    try:
        return Prompt.objects.filter(project=project, pk=UUID(text)).first()
    except ValueError:
        return None
