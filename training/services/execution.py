"""One run from claim to end: configuration, launch, reports, publication. Called by the `train` worker."""

from __future__ import annotations

import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from exchange import completions, snapshot
from exchange.envelope import EnvelopeError, read_manifest
from exchange.store import Store
from training import launcher, run_directory
from training.models import Checkpoint, Run
from training.pretraining_text import pretraining_text
from training.services.artifacts import store
from training.services.heartbeat import Heartbeat
from training.services.reports import RunReport, report_forget
from training.services.runs import run_beat, run_claim, run_move, run_restart
from training.version import code_version

_Answer = TypeVar("_Answer")
logger = logging.getLogger(__name__)

TICK = 0.5  # seconds between two looks at the run directory
DATABASE_PATIENCE = 45.0  # seconds that the end of a run waits for a database that is away
GIVEN_UP = "The run was given up before its result was published."
STATE_GONE = "The run's saved state is not on this machine any more; start a new run instead."
WORKER_STOPPED = "The training worker was stopped again and again before the run got any further."
_POLICY, _REWARD = Checkpoint.Kind.POLICY, Checkpoint.Kind.REWARD
_CHECKPOINT_KINDS = {"sft": _POLICY, "reward": _REWARD, "dpo": _POLICY, "ppo": _POLICY}


@dataclass(frozen=True)
class Ending:
    """How a run ended: its state, the sentence for the person, and what it left behind; queued: it is to go on."""

    state: Run.State
    error: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    checkpoint: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)
    completions: str = ""


def run_execute(*, run_id: int, leaving: threading.Event | None = None, module: str = "") -> bool:
    """Claim a queued run, run it to its end and record that end; False when it was not there to be claimed.

    `leaving` is set when this worker is told to stop: the run then saves its state and is queued again. `module` is
    what torchrun starts, by default the engine's script for the run's kind.
    """
    has_state = run_directory.has_state(settings.RUNS_DIR / str(run_id))
    run = run_claim(run_id=run_id, node=socket.gethostname(), has_state=has_state)
    if run is None:
        return False
    leaving = leaving or threading.Event()
    with Heartbeat(run.pk, run.attempt) as heartbeat:
        try:
            ending = _execute(run, heartbeat, leaving, module or f"training.engine.{run.kind}")
        except EnvelopeError as error:
            ending = Ending(Run.State.FAILED, str(error))
        except Exception:
            logger.exception("Run %s failed outside the engine", run.pk)
            ending = Ending(Run.State.FAILED, "Unexpected error of the platform; the training worker's log says more.")
        _patiently(lambda: _finish(run, ending))
    return True


def _execute(run: Run, heartbeat: Heartbeat, leaving: threading.Event, module: str) -> Ending:
    artifacts = store()
    run_dir = settings.RUNS_DIR / str(run.pk)
    # Of an earlier worker on this machine that was killed, or that was silent for so long that it lost this run.
    launcher.end([*launcher.orphans(settings.RUNS_DIR), *launcher.marked(run_dir)])
    goes_on = run.saved_step is not None
    if goes_on and not run_directory.has_state(run_dir):
        return Ending(Run.State.FAILED, STATE_GONE)
    config = run_config(run, artifacts)
    if not goes_on:
        report_forget(run_id=run.pk, attempt=run.attempt)
    run_directory.prepare(run_dir, config, goes_on=goes_on)
    if heartbeat.must_stop:
        return Ending(Run.State.CANCELLED)
    launched = launcher.launch(run_dir, module, processes=settings.TRAIN_PROCESSES, dry_run=run.dry_run)
    report = RunReport(run.pk, run.attempt)
    tail = run_directory.MetricsTail(run_dir)
    try:
        while launched.poll() is None and not heartbeat.must_stop and not leaving.wait(TICK):
            _report(report, tail, run_dir)
    finally:
        launched.stop(grace=settings.STOP_SECONDS)
    _patiently(lambda: _report(report, tail, run_dir, strict=True))
    result = run_directory.read_result(run_dir)
    if launched.poll() == 0 and result is not None and result.get("ok") is True:
        return _patiently(lambda: _publish(run, run_dir, result, artifacts))
    if heartbeat.must_stop:
        return Ending(Run.State.CANCELLED)
    if leaving.is_set():
        return Ending(Run.State.QUEUED)
    return Ending(Run.State.FAILED, run_directory.failure(result, run_directory.log_tail(run_dir)))


def run_config(run: Run, artifacts: Store) -> dict[str, Any]:
    """`config.json` of a run: its inputs as verified local directories, its settings.

    Raises EnvelopeError, one sentence, when the store lacks an input or an input was changed.
    """

    def model(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
        if checkpoint is None:
            return None
        path = artifacts.fetch("checkpoints", checkpoint.digest)
        return {"name": checkpoint.name, "path": str(path), "digest": checkpoint.digest}

    base = [{"name": "base", "path": None, "digest": None}] if run.sample_base else []
    mixes = run.settings.get("pretrain_share") or run.settings.get("ptx_gamma")
    return {
        "kind": run.kind,
        "run": {"id": str(run.pk), "name": run.name, "project": run.project.slug},
        "store": None,
        "inputs": {
            "snapshot": str(artifacts.fetch(snapshot.KIND, run.snapshot.digest)),
            "snapshot_digest": run.snapshot.digest,
            "base_model": str(settings.BASE_MODEL),
            "models_dir": str(settings.MODELS_DIR),
            "policy": model(run.policy),
            "reward": model(run.reward),
            "pretrain": pretraining_text(settings.PRETRAIN_TEXT) if mixes else None,
            "policies": base + [model(checkpoint) for checkpoint in run.sampled.order_by("pk")],
        },
        "settings": run.settings,
        "code_version": code_version(settings.BASE_DIR),
    }


def _report(report: RunReport, tail: run_directory.MetricsTail, run_dir: Path, *, strict: bool = False) -> None:
    """Read what is new and save it. A database that is away for a moment costs the run nothing: it is saved later."""
    report.take(tail.read())
    try:
        report.save(run_directory.log_tail(run_dir))
    except (OperationalError, InterfaceError):
        connection.close()
        if strict:
            raise


def _publish(run: Run, run_dir: Path, result: dict[str, Any], artifacts: Store) -> Ending:
    """Put what the run made into the store, and free its copy in the run directory.

    Not when the run was given up meanwhile: answers that reach the store are opened as tasks for people.
    """
    if run_beat(run_id=run.pk, attempt=run.attempt) is None:
        return Ending(Run.State.FAILED, GIVEN_UP)
    made: dict[str, Any] = {}
    try:
        if path := result.get("checkpoint"):
            made["checkpoint"] = artifacts.put("checkpoints", run_dir / path)
            made["manifest"] = read_manifest(run_dir / path)
        if path := result.get("completions"):
            made["completions"] = artifacts.put(completions.KIND, run_dir / path)
    except OSError as error:
        logger.exception("Run %s made a result that the store did not take", run.pk)
        return Ending(Run.State.FAILED, f"The artifact store did not take the result: {error.strerror or error}.")
    if (made.get("checkpoint") or made.get("completions")) != result.get("digest"):
        return Ending(Run.State.FAILED, "The result was changed between the end of the run and its publication.")
    for folder in ("checkpoints", "completions"):
        shutil.rmtree(run_dir / folder, ignore_errors=True)
    return Ending(Run.State.SUCCEEDED, summary=result.get("summary") or {}, **made)


def _finish(run: Run, ending: Ending) -> None:
    """Record the end, with the checkpoint it made, or nothing at all when the run is no longer this worker's."""
    if ending.state == Run.State.QUEUED:
        if run_restart(run_id=run.pk, attempt=run.attempt):
            return
        ending = Ending(Run.State.FAILED, WORKER_STOPPED)
    done = {"saved_step": None} if ending.state == Run.State.SUCCEEDED or ending.error == STATE_GONE else {}
    with transaction.atomic():
        moved = run_move(
            run_id=run.pk,
            to=ending.state,
            attempt=run.attempt,
            **done,
            error=ending.error,
            summary=ending.summary,
            completions_digest=ending.completions,
        )
        if moved and ending.checkpoint:
            Checkpoint.objects.create(
                digest=ending.checkpoint,
                project=run.project,
                name=run.name,
                kind=_CHECKPOINT_KINDS[run.kind],
                run=run,
                manifest=ending.manifest,
            )


def _patiently(action: Callable[[], _Answer]) -> _Answer:
    """Do it, again and again for a while when the database is away: the result of hours is not lost to a restart."""
    deadline = time.monotonic() + DATABASE_PATIENCE
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)
