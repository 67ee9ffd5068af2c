"""Figures on their way to TensorBoard, wandb, MLflow or trackio, through accelerate's trackers.

Which ones is the business of the machine that trains, not of a run: the environment variable TRACKERS names them, for
instance `tensorboard,wandb`. Without it there is none, and nothing leaves the machine. TensorBoard writes below the
run directory; the others find their addresses and keys in their own variables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from training.engine.errors import RunError

KNOWN = ("tensorboard", "wandb", "mlflow", "trackio")
VARIABLE = "TRACKERS"
PROJECT = "plumbline"
# By these accelerate would join the ranks' process group or make one: trackers live on the first rank alone.
_RANKS = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


class Trackers:
    """The trackers of one run, on its first rank."""

    def __init__(self, names: list[str], run: str, directory: Path, tell: Callable[[str], None]) -> None:
        """`run` is the run's name; `tell` hears of a tracker that failed and was given up."""
        self._tell = tell
        self._open: dict[str, Any] = {}
        with _one_rank():
            PartialState()
            for name in names:
                tracker_class: Any = LOGGER_TYPE_TO_CLASS[name]
                arguments: dict[str, Any] = {"run_name": PROJECT}
                if name == "tensorboard":
                    arguments = {"run_name": "tensorboard", "logging_dir": str(directory)}
                elif name == "mlflow":
                    arguments = {"experiment_name": PROJECT, "run_name": run}
                else:
                    arguments["name"] = run
                self._attempt(name, lambda make=tracker_class, given=arguments: self._start(make, given))

    def log(self, step: int, values: dict[str, float]) -> None:
        """The figures of a step. A tracker that fails is told of once and left alone from then on."""
        for name, tracker in list(self._open.items()):
            self._attempt(name, lambda tracker=tracker: tracker.log(values, step=step))

    def finish(self) -> None:
        """Flush and close."""
        for name, tracker in list(self._open.items()):
            self._attempt(name, tracker.finish)

    def _start(self, make: Any, arguments: dict[str, Any]) -> None:
        tracker = make(**arguments)
        tracker.start()
        self._open[make.name] = tracker

    def _attempt(self, name: str, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # whatever a tracker does must not cost the run
            self._open.pop(name, None)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._tell(f"The tracker {name} failed and is left alone: {reason.rstrip('.')}.")


def wanted(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The names in TRACKERS. Raises RunError for one that is unknown or not installed."""
    names = [name.strip().lower() for name in environment.get(VARIABLE, "").split(",") if name.strip()]
    for name in names:
        if name not in KNOWN:
            raise RunError(f"{VARIABLE} names the tracker {name!r}; known are {', '.join(KNOWN)}.")
        if name not in {str(getattr(known, "value", known)) for known in get_available_trackers()}:
            raise RunError(f"{VARIABLE} names the tracker {name}, which is not installed: run `pip install {name}`.")
    return list(dict.fromkeys(names))


@contextmanager
def _one_rank() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in _RANKS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
