"""Runs: created, claimed, moved from state to state, cancelled, gone on with. The row is the queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from people.models import Project, User
from people.refusals import Conflict, Refused
from training.models import Run
from training.services.plans import CHECK, LABELS, run_plan

# A worker beats every second; one that was silent for this long is gone.
STALE_AFTER = timedelta(seconds=60)
# A queued run whose message may have been lost is called again after this long.
CALL_AGAIN_AFTER = timedelta(seconds=60)
# A run whose worker left or was lost is queued again by itself, this often without a new saved state between.
MOST_RESTARTS = 3
WORKER_LOST = "The training worker was lost; start the run again."
WORKER_LOST_OFTEN = f"The training worker was lost {MOST_RESTARTS + 1} times at the same place of the run."
_State = Run.State


def run_create(
    *,
    project: Project,
    kind: str,
    snapshot: str,
    requested_by: User | None,
    preset: str = "cpu",
    settings: dict[str, Any] | None = None,
    policy: str = "",
    reward: str = "",
    models: Sequence[str] = (),
    name: str = "",
    key: str = "",
    dry_run: bool = False,
) -> tuple[Run, bool]:
    """A new run, queued, and True; or the run that the same request with this `key` started before, and False.

    A `dry_run` takes the first steps, says what the whole will cost and leaves no model; it has no name of its own, so
    that the run that follows can have it. The caller calls a worker. Raises Refused with one sentence when an input, a
    setting or the name is wrong (see `run_plan`), Conflict when the key came with another request before.
    """
    asked: dict[str, Any] = {
        "kind": kind,
        "snapshot": snapshot,
        "preset": preset,
        "settings": settings,
        "policy": policy,
        "reward": reward,
        "models": list(models),
        "name": name,
    }
    request = sha256(json.dumps({**asked, "dry_run": dry_run}, sort_keys=True, default=str).encode()).hexdigest()
    if known := _started_by(project, key, request):
        return known, False
    plan = run_plan(project=project, **asked)
    given = "" if dry_run else plan.name
    try:
        with transaction.atomic():
            run = Run.objects.create(
                project=plan.project,
                kind=plan.kind,
                name=given,
                dry_run=dry_run,
                snapshot=plan.snapshot,
                policy=plan.policy,
                reward=plan.reward,
                sample_base=plan.sample_base,
                preset=plan.preset,
                settings=plan.settings,
                key=key,
                request=request,
                requested_by=requested_by,
            )
            run.sampled.set(plan.sampled)
            if not run.name:
                run.name = f"{CHECK if dry_run else LABELS[kind]} {run.pk}"
                run.save(update_fields=["name"])
    except IntegrityError as error:  # the same request, or the same name, at the same moment
        if known := _started_by(project, key, request):
            return known, False
        raise Refused(f"{project.name} has a run named {plan.name!r} already.") from error
    return run, True


def run_move(*, run_id: int, to: str, source: str | None = None, attempt: int | None = None, **fields: Any) -> bool:
    """Move a run to another state, if the table of moves allows it from where the run is; say whether it moved.

    One conditional UPDATE: of two that want to move the same run, one does. With `source`, only from that state; with
    `attempt`, only while that attempt owns it. `fields` are set with the move.
    """
    runs = _movable(to, source).filter(pk=run_id)
    return _move(runs if attempt is None else runs.filter(attempt=attempt), to, **fields) == 1


def run_claim(*, run_id: int, node: str, has_state: bool = False) -> Run | None:
    """Take a queued run for this worker; None when there is nothing to take, since another has it or it ended.

    A run with a saved state is taken only by a worker that finds it: `has_state`, or the `node` that saved it.
    """
    now = timezone.now()
    runs = _movable(_State.RUNNING, _State.QUEUED).filter(pk=run_id)
    if not has_state:
        runs = runs.exclude(~Q(node=node), saved_step__isnull=False)
    taken = _move(runs, _State.RUNNING, node=node, started_at=now, heartbeat_at=now, attempt=F("attempt") + 1)
    if not taken:
        return None
    return Run.objects.select_related("project", "snapshot", "policy", "reward").get(pk=run_id)


def run_beat(*, run_id: int, attempt: int) -> str | None:
    """Say that the worker lives. The run's state, or None when the run is no longer this attempt's to go on with."""
    held = Run.objects.filter(pk=run_id, attempt=attempt, state__in=(_State.RUNNING, _State.CANCELLING))
    if not held.update(heartbeat_at=timezone.now()):
        return None
    return Run.objects.filter(pk=run_id, attempt=attempt).values_list("state", flat=True).first()


def run_resume(*, run_id: int) -> Run:
    """Queue a run that failed or was stopped, to go on from its saved state. The caller calls a worker.

    Raises Conflict when the run has not ended so, or has left no state.
    """
    ended = Run.objects.filter(pk=run_id, saved_step__isnull=False, state__in=(_State.FAILED, _State.CANCELLED))
    moved = _move(ended, _State.QUEUED, error="", restarts=0, called_at=timezone.now())
    run = Run.objects.get(pk=run_id)
    if moved:
        return run
    if run.state not in (_State.FAILED, _State.CANCELLED):
        raise Conflict(f"{run} cannot go on: it is {run.get_state_display().lower()}.")
    raise Conflict(f"{run} cannot go on: it left no saved state. Start a new run instead.")


def run_restart(*, run_id: int, attempt: int) -> bool:
    """Queue a running run again whose worker leaves; False when it was so often that it shall fail instead."""
    runs = _movable(_State.QUEUED, _State.RUNNING).filter(pk=run_id, attempt=attempt, restarts__lt=MOST_RESTARTS)
    # `called_at` stands for the worker that comes back: the sweep calls it.
    return _move(runs, _State.QUEUED, restarts=F("restarts") + 1, called_at=timezone.now()) == 1


def run_cancel(*, run_id: int) -> Run:
    """Ask a run to stop: a queued one is stopped at once, a running one when its worker sees it, within seconds.

    Asking twice changes nothing. Raises Conflict when the run has ended.
    """
    # Queued first: between the two a worker may claim it, and never gives it back.
    moved = run_move(run_id=run_id, to=_State.CANCELLED, source=_State.QUEUED)
    moved = moved or run_move(run_id=run_id, to=_State.CANCELLING)
    run = Run.objects.get(pk=run_id)
    if not moved and run.is_final:
        raise Conflict(f"{run} has ended already: {run.get_state_display().lower()}.")
    return run


def runs_end_lost() -> int:
    """Settle the runs whose worker is silent; say how many.

    Where it was asked for, they are stopped. Of the others those with a saved state are queued again, to go on from
    it, and those without one have failed: what killed the worker, memory for instance, would kill it once more.
    """
    cutoff = timezone.now() - STALE_AFTER
    lost = Run.objects.filter(state=_State.RUNNING, heartbeat_at__lt=cutoff)
    saved, stopping = lost.filter(saved_step__isnull=False), Run.objects.filter(state=_State.CANCELLING)
    again = _move(saved.filter(restarts__lt=MOST_RESTARTS), _State.QUEUED, restarts=F("restarts") + 1)
    return (
        again
        + _move(saved.filter(restarts__gte=MOST_RESTARTS), _State.FAILED, error=WORKER_LOST_OFTEN)
        + _move(lost.filter(saved_step=None), _State.FAILED, error=WORKER_LOST)
        + _move(stopping.filter(heartbeat_at__lt=cutoff), _State.CANCELLED)
    )


def runs_to_call_again() -> list[int]:
    """Queued runs that no worker took for a while; each is handed out once, to whoever asks first."""
    cutoff = timezone.now() - CALL_AGAIN_AFTER
    waiting = Run.objects.filter(state=_State.QUEUED, called_at__lt=cutoff).order_by("pk")
    return [
        pk for pk in waiting.values_list("pk", flat=True) if waiting.filter(pk=pk).update(called_at=timezone.now())
    ]


def _started_by(project: Project, key: str, request: str) -> Run | None:
    known = Run.objects.filter(project=project, key=key).first() if key else None
    if known is not None and known.request != request:
        raise Conflict(
            f"{known} was started by this request before, with other values; send it again, under a new key, to start "
            "another run."
        )
    return known


def _movable(to: str, source: str | None) -> QuerySet[Run]:
    sources = [state for state, moves in Run.MOVES.items() if to in moves and source in (None, state)]
    return Run.objects.filter(state__in=sources)


def _move(runs: QuerySet[Run], to: str, **fields: Any) -> int:
    fields["finished_at"] = timezone.now() if to in Run.FINAL else None
    return runs.update(state=to, **fields)
