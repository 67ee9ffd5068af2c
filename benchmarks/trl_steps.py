"""When the steps of a TRL trainer end and what they lost; imported by TRL's sides, in their own environments."""

from __future__ import annotations

import time

from transformers import TrainerCallback


class StepTimes(TrainerCallback):
    """The moments at which training began and steps ended, and each step's loss where it is logged."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.losses: list[float] = []

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.ends.append(time.perf_counter())

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.ends.append(time.perf_counter())

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            self.losses.append(float(logs["loss"]))
