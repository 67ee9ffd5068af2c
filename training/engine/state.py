"""Exact resume: all that a run needs to go on as if nothing had happened, saved whole or not at all.

The data order is a pure function of seed and step, so a state holds the step's number, the weights, the optimizers,
the random generators of all ranks, the script's own figures and how long metrics.jsonl was. N steps are then the same
as k steps, a kill at any moment, and N − k steps, bitwise. How a state lies on the disk stands at state_files.py.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import Tensor

from training.engine import fingerprint, state_files, stopping
from training.engine.errors import RunStopped
from training.engine.rehearsal import Ended, Rehearsal
from training.engine.runtime import Run, all_sum

Own = TypeVar("Own")
FOLDER = "state"


class Part(Protocol):
    """Something whose tensors are its state: an optimizer with its weights, a moving average, a best checkpoint."""

    def tensors(self, *, shards_only: bool = False) -> dict[str, Tensor]:
        """All of its state by name, or what no other rank has; copied when it is written, not before."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""


class Keeper:
    """Saves a run's state at the ends of steps, and gives it back.

        keeper = Keeper(run)
        progress = keeper.progress or {"step": 0, …}
        with keeper.keeping(optimizer=optimizer):
            for step, … in … from progress["step"] on:
                …
                keeper.end_step(step + 1, progress)

    Inside the block a SIGTERM does not raise at once: the step is finished and the state saved, then RunStopped is
    raised. A second SIGTERM raises at once.
    """

    def __init__(self, run: Run) -> None:
        """Find the newest whole state. Raises RunError when it is of other data, settings or processes."""
        self.run = run
        self.parts: dict[str, Part] = {}
        self.folder = run.directory / FOLDER
        self.saved_at = time.monotonic()
        self._fingerprint = fingerprint.fingerprint(run)
        self._found = state_files.newest(self.folder)
        if self._found is not None:
            fingerprint.check(self._found[1]["fingerprint"], self._fingerprint)
        elif state_files.exists_any(self.folder):
            run.report.resumed(0, 0)
            run.report.note("No saved state is whole, so the run begins at its beginning.")
        if run.rank == 0:  # others, which may still be looking, find what they would have found
            state_files.remove_after(self.folder, self._found[1]["step"] if self._found else None)

    @property
    def progress(self) -> dict[str, Any] | None:
        """The script's own figures of the state to go on from; None at a run's beginning."""
        return None if self._found is None else self._found[1]["values"]

    @contextmanager
    def keeping(self, **parts: Part) -> Iterator[None]:
        """Give these parts, the random generators and metrics.jsonl their saved state, then look after them."""
        self.parts = parts
        if self._found is not None:
            path, state = self._found
            for name, part in parts.items():
                part.load(state_files.read(path, state, name, self.run.rank))
            _set_generators(state_files.read(path, state, "rng"), self.run.rank)
            self.run.report.resumed(state["step"], state["metrics_bytes"])
            self.run.report.note(f"Going on from the state saved after step {state['step']:,}.")
        stopping.defer()
        try:
            yield
        finally:
            stopping.raise_at_once()
        if stopping.wished():  # it came after the last step
            raise RunStopped

    def end_step(self, step: int, values: dict[str, Any]) -> None:
        """Tell that `step` steps are done: saves when it is time to, or when the run was asked to stop.

        All ranks call it. Raises RunStopped after the save.
        """
        if isinstance(self.run.report, Rehearsal):
            [size] = all_sum(self.run, [float(sum(tensor.nbytes for tensor in self._tensors().values()))])
            [enough] = all_sum(self.run, [float(self.run.report.step_done(int(size)))])
            if enough:
                raise Ended
            return
        due = 0 < 60 * self.run.settings.save_minutes <= time.monotonic() - self.saved_at
        wishes = [float(stopping.wished()), float(due and self.run.rank == 0)]
        stop, save = (wish > 0 for wish in all_sum(self.run, wishes))
        if stop or save:
            self.save(step, values)
        if stop:
            raise RunStopped

    def save(self, step: int, values: dict[str, Any]) -> None:
        """Write the state after `step` steps; a state of the same step is left as it is. All ranks call it.

        Every rank writes what it alone has, and the first all else. A disk that does not take it costs the run
        nothing but this: the state before stays, and a note says so.
        """
        first, exists = self.run.rank == 0, state_files.exists(self.folder, step)
        if first and not exists:
            state_files.begin(self.folder, step)
        generators = _generators(self.run)  # of all ranks, which also waits for the folder
        files, refusal = {}, None
        if not exists:
            try:
                tensors = {**self._tensors(), **(generators if first else {})}
                files = state_files.write(self.folder, step, tensors, self.run.rank)
            except (OSError, SafetensorError) as error:
                refusal = str(getattr(error, "strerror", None) or error)
        parts = _of_all_ranks(self.run, (files, refusal))
        if first and not exists:
            self._seal(step, values, parts)
        if dist.is_initialized():
            dist.barrier()
        self.saved_at = time.monotonic()
        self.run.report.lap("save")

    def clear(self) -> None:
        """Remove all states: the run has what it was for."""
        if self.run.rank == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _tensors(self) -> dict[str, Tensor]:
        """What this rank writes: the first all that it has, the others their shards."""
        others = self.run.rank > 0
        return {
            f"{name}.{key}": tensor
            for name, part in self.parts.items()
            for key, tensor in part.tensors(shards_only=others).items()
        }

    def _seal(self, step: int, values: dict[str, Any], parts: list[tuple[dict[str, str], str | None]]) -> None:
        """Make what the ranks wrote a state, or say why it is none."""
        refusals = [refusal for _, refusal in parts if refusal]
        state = {
            "step": step,
            "fingerprint": self._fingerprint,
            "metrics_bytes": self.run.report.size(),
            "values": values,
            "files": {file: digest for files, _ in parts for file, digest in files.items()},
        }
        try:
            if not refusals:
                state_files.seal(self.folder, state)
                self.run.report.saved(step)
        except OSError as error:
            refusals = [str(error.strerror or error)]
        if refusals:
            state_files.abandon(self.folder, step)
            self.run.report.note(f"The run's state could not be saved: {refusals[0]}. The one before it stays.")


def _generators(run: Run) -> dict[str, Tensor]:
    """The states of torch's generators of every rank, on every rank."""
    own = {f"rng.{run.rank}.cpu": torch.get_rng_state()}
    if run.device.type == "cuda":
        own[f"rng.{run.rank}.cuda"] = torch.cuda.get_rng_state(run.device)
    return {name: state for part in _of_all_ranks(run, own) for name, state in part.items()}


def _of_all_ranks(run: Run, own: Own) -> list[Own]:
    if run.world == 1:
        return [own]
    parts = [own] * run.world
    dist.all_gather_object(parts, own)
    return parts


def _set_generators(states: Mapping[str, Tensor], rank: int) -> None:
    torch.set_rng_state(states[f"{rank}.cpu"])
    if f"{rank}.cuda" in states:
        torch.cuda.set_rng_state(states[f"{rank}.cuda"])
