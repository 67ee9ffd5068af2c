"""Curation steps: asked for by a manager, run and undone by a worker, as a whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from labeling.curation_options import OptionError, read_options
from labeling.models import CurationStep, Prompt, PromptMask
from labeling.services.curation_duplicates import drop_exact, drop_near, drop_prefix
from labeling.services.curation_limits import (
    drop_by_language,
    drop_by_length,
    drop_over_cap,
    languages_take_back,
)
from labeling.services.curation_masks import mask_prompts, masks_take_back
from labeling.services.curation_verdicts import verdicts_apply, verdicts_begin, verdicts_take_back
from labeling.services.jobs import job_claim, prompts_lock
from labeling.services.underway import Reporter
from people.models import Project, User
from people.refusals import Conflict, Refused

logger = logging.getLogger(__name__)

State = CurationStep.State
_DROPS: dict[str, Callable[[CurationStep, Callable[[int], None]], int]] = {
    "exact": drop_exact,
    "prefix": drop_prefix,
    "near": drop_near,
    "cap": drop_over_cap,
    "length": drop_by_length,
    "language": drop_by_language,
}
_UNEXPECTED = "Unexpected error; nothing was changed. The worker's log has the details."


def curation_create(*, project: Project, rule: str, options: Mapping[str, Any], user: User | None) -> CurationStep:
    """Queue a step. Raises Refused for an unknown rule, for options out of range and where there are no prompts."""
    try:
        read = read_options(rule, options)
    except OptionError as error:
        raise Refused(str(error)) from error
    if not Prompt.objects.filter(project=project).exists():
        raise Refused(f"{project.name} has no prompts yet, so there is nothing to curate; import some first.")
    return CurationStep.objects.create(project=project, rule=rule, options=read, requested_by=user)


@transaction.atomic
def curation_undo(*, step_id: int) -> CurationStep:
    """Queue the undoing of a step that is done.

    Raises Conflict for a step that is not done, and for a masking step where a later one masks the same prompts;
    Refused where originals were not kept.
    """
    step = CurationStep.objects.select_for_update(of=("self",)).select_related("project").get(pk=step_id)
    if step.state != State.DONE and not (step.state == State.FAILED and step.is_undo):
        raise Conflict(f"The step is {step.get_state_display().lower()}, so there is nothing to undo.")
    if step.rule == CurationStep.Rule.PII:
        _check_masks(step)
    step.state, step.is_undo, step.attempts, step.error = State.QUEUED, True, 0, ""
    step.save(update_fields=["state", "is_undo", "attempts", "error"])
    return step


def curation_execute(*, step_id: int) -> bool:
    """Claim a queued step and run it, or undo it; return whether it was this call that did.

    Before: the row is QUEUED; otherwise nothing happens. After: DONE or UNDONE, or FAILED with one sentence and the
    prompts as they were; a step that could not be undone is DONE as before, with the sentence.
    """
    if not job_claim(CurationStep, pk=step_id):
        return False
    try:
        with transaction.atomic():
            step = CurationStep.objects.select_for_update(of=("self",)).select_related("project").get(pk=step_id)
            prompts_lock(project=step.project, wait=True)
            _take_back(step) if step.is_undo else _run(step)
    except Refused as refusal:
        _fail(step_id, str(refusal))
    except Exception:
        logger.exception("curation step %s failed", step_id)
        _fail(step_id, _UNEXPECTED)
    return True


def _run(step: CurationStep) -> None:
    progress = Reporter(step, total=Prompt.objects.filter(project=step.project).count())
    try:
        if step.rule == CurationStep.Rule.PII:
            step.seen, step.changed = mask_prompts(step, progress.report)
            step.finished_at = timezone.now()
        else:
            verdicts_begin()
            step.seen = _DROPS[step.rule](step, progress.report)
            step.finished_at = timezone.now()
            step.changed = verdicts_apply(step, at=step.finished_at)
    finally:
        progress.end()
    step.state = State.DONE
    step.save(update_fields=["state", "seen", "changed", "filled", "finished_at"])


def _take_back(step: CurationStep) -> None:
    if step.rule == CurationStep.Rule.PII:
        _check_masks(step)
        masks_take_back(step)
    if step.rule == CurationStep.Rule.LANGUAGE:
        languages_take_back(step)
    verdicts_take_back(step)
    step.state, step.undone_at = State.UNDONE, timezone.now()
    step.save(update_fields=["state", "undone_at"])


def _check_masks(step: CurationStep) -> None:
    masks = PromptMask.objects.filter(step=step)
    if masks.filter(original__isnull=True).exists():
        raise Refused("The originals were not kept, as the project's policy says, so the masks stay.")
    later = CurationStep.objects.filter(project=step.project, rule=step.rule, pk__gt=step.pk).filter(
        Q(state=State.DONE) | Q(state__in=[State.QUEUED, State.RUNNING])
    )
    if PromptMask.objects.filter(step__in=later, prompt__in=masks.values("prompt")).exists():
        raise Conflict("A later step masks the same prompts; undo that one first.")


def _fail(step_id: int, sentence: str) -> None:
    rows = CurationStep.objects.filter(pk=step_id)
    if not rows.filter(is_undo=True).update(state=State.DONE, is_undo=False, error=sentence):
        rows.update(state=State.FAILED, error=sentence, finished_at=timezone.now())
