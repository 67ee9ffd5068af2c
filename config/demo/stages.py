"""The main job from the first upload to the last ranking task: each stage one function, all of them over HTTP."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.demo.budget import ASKED, BUDGETS, UnknownData, format_of, scaled
from config.demo.client import ApiError, Client
from config.demo.labelers import simulated_labelers_join, simulated_labelers_rank
from config.demo.machine import Machine
from config.demo.progress import Bar, Progress, StageFailed
from config.demo.runs import run_to_end

_TICK = 0.5
_PATIENCE = 600.0  # seconds for a job of the platform itself: an import, a snapshot, a batch on its way back
_OVERLAP = 2  # simulated labelers that rank each task


@dataclass(frozen=True)
class Plan:
    """What the demo is given. `runs`: the platform's run directories; `logs`: its workers' logs.

    `machine`: where the budget is to fit it.
    """

    data: Path
    instructions: Path
    runs: Path
    logs: Path
    budget: str = "short"
    machine: Machine | None = None

    def settings(self, stage: str) -> dict[str, Any]:
        """What a stage changes in the `cpu` preset."""
        return scaled(BUDGETS[self.budget][stage], self.machine.share if self.machine else 1.0)

    @property
    def said(self) -> str:
        """The budget in words."""
        fitted = f", {self.machine.share:.0%} of it, for {self.machine}" if self.machine else ""
        return f"{self.budget}{fitted}"


@dataclass
class Outcome:
    """All that the demo's table shows."""

    project: str
    budget: str
    simulated: bool = False
    labeler: tuple[str, str] = ("", "")
    imported: dict[str, int] = field(default_factory=dict)
    overview: dict[str, dict[str, int]] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks_opened: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def main_job(client: Client, plan: Plan, progress: Progress) -> Outcome:
    """Import, freeze, SFT, reward model, PPO, samples of all three back to the people. Raises StageFailed."""
    with _stage(progress, plan, "Import") as bar:
        outcome = Outcome(_project(client), plan.said)
        _import(client, plan, outcome, bar)
    with _stage(progress, plan, "Snapshot") as bar:
        outcome.snapshot = _freeze(client, outcome.project, bar)
    if not sum(outcome.overview["rankings"].values()):
        outcome.simulated = True
        _ask(client, plan, outcome, progress)

    def start(kind: str, bar: Bar, **inputs: Any) -> dict[str, Any]:
        asked = {
            "project": outcome.project,
            "kind": kind,
            "snapshot": outcome.snapshot["digest"],
            "settings": plan.settings(kind),
            **inputs,
        }
        outcome.runs[kind] = run_to_end(client, bar, runs=plan.runs, asked=asked)
        return outcome.runs[kind]

    with _stage(progress, plan, "SFT") as bar:
        sft = start("sft", bar)["checkpoint"]
    with _stage(progress, plan, "Reward model") as bar:
        reward = start("reward", bar, policy=sft)["checkpoint"]  # as the paper: the reward model starts from SFT
    with _stage(progress, plan, "PPO") as bar:
        ppo = start("ppo", bar, policy=sft, reward=reward)["checkpoint"]
    with _stage(progress, plan, "Samples") as bar:
        digest = start("sample", bar, models=["base", sft, ppo])["completions_digest"]
    with _stage(progress, plan, "Back to the people") as bar:
        outcome.tasks_opened = _came_back(client, outcome.project, digest, bar)
        outcome.answers = _answers(client, outcome.runs["sample"], 3)
        outcome.overview = client.get(f"projects/{outcome.project}/overview/")
    outcome.seconds = dict(progress.seconds)
    return outcome


@contextmanager
def _stage(progress: Progress, plan: Plan, name: str) -> Iterator[Bar]:
    """A stage whose refusals carry its name and, where no run's own log says more, the place of the workers' logs."""
    with progress.stage(name) as bar:
        try:
            yield bar
        except (ApiError, UnknownData) as error:
            raise StageFailed(name, str(error), str(plan.logs)) from error
        except StageFailed as error:
            raise StageFailed(name, error.reason, error.log or str(plan.logs)) from error


def _project(client: Client) -> str:
    """A project of its own for each demo: demo, demo-2, demo-3, …"""
    taken = {project["slug"] for project in client.all("projects/")}
    slug = next(s for n in range(1, len(taken) + 2) if (s := "demo" if n == 1 else f"demo-{n}") not in taken)
    client.post("projects/", {"slug": slug, "name": slug.replace("-", " ").capitalize()})
    return slug


def _import(client: Client, plan: Plan, outcome: Outcome, bar: Bar) -> None:
    project = outcome.project
    password = secrets.token_urlsafe(9)
    outcome.labeler = (f"{project}-labeler", password)
    client.post(
        f"projects/{project}/members/",
        {"username": outcome.labeler[0], "role": "labeler", "password": password},
    )
    client.post(f"projects/{project}/instructions/", {"text": plan.instructions.read_text(encoding="utf-8")})
    queued = client.upload(f"projects/{project}/imports/", plan.data, format=format_of(plan.data), on_error="skip")
    done = _finished(client, f"imports/{queued['id']}/", bar)
    if done["problem_count"]:
        bar.note(f"{done['problem_count']} lines were left out; the first: {done['problems'][0]['reason']}")
    outcome.imported = done["counts"]
    outcome.overview = client.get(f"projects/{project}/overview/")


def _freeze(client: Client, project: str, bar: Bar) -> dict[str, Any]:
    """Freeze the project and wait until training knows the snapshot too."""
    queued = client.post(f"projects/{project}/snapshots/")
    frozen = _finished(client, f"snapshots/{queued['id']}/", bar)
    for _ in _ticks(bar, "published"):
        if any(row["digest"] == frozen["digest"] for row in client.all("training/snapshots/")):
            return frozen
    raise StageFailed(bar.name, "Training did not find the published snapshot.")


def _ask(client: Client, plan: Plan, outcome: Outcome, progress: Progress) -> None:
    """No rankings in the data: the base model answers, simulated labelers rank, and the project is frozen again."""
    project = outcome.project
    with _stage(progress, plan, "Answers to rank") as bar:
        client.put(f"projects/{project}/setup/", {"overlap": _OVERLAP})
        for split, most in ASKED[plan.budget].items():
            asked = {
                "project": project,
                "kind": "sample",
                "name": f"Answers to rank, {split}",
                "snapshot": outcome.snapshot["digest"],
                "models": ["base"],
                "settings": {**plan.settings("ask"), "prompts_split": split, "max_prompts": most},
            }
            run = run_to_end(client, bar, runs=plan.runs, asked=asked)
            _came_back(client, project, run["completions_digest"], bar)
    with _stage(progress, plan, "Simulated rankings") as bar:
        labelers = simulated_labelers_join(client, project)
        given = simulated_labelers_rank(client, project, labelers, bar)
        rates = ", ".join(f"{labeler.name} {labeler.error_rate:.0%}" for labeler in labelers)
        bar.note(f"{given} rankings by simulated labelers, who judge a pair wrongly at these rates: {rates}.")
        client.put(f"projects/{project}/setup/", {"overlap": 1})
        outcome.snapshot = _freeze(client, project, bar)


def _came_back(client: Client, project: str, digest: str, bar: Bar) -> int:
    """Wait until labeling imported a completion batch; return how many ranking tasks it opened."""
    for _ in _ticks(bar, "waiting for the batch"):
        for batch in client.all(f"projects/{project}/completion-batches/"):
            if batch["digest"] != digest:
                continue
            if batch["error"]:
                raise StageFailed(bar.name, batch["error"])
            if not batch["tasks_opened"]:
                raise StageFailed(bar.name, "No prompt got two different answers, so there is nothing to rank.")
            return int(batch["tasks_opened"])
    raise StageFailed(bar.name, f"The completion batch {digest[:12]} was not imported.")


def _answers(client: Client, run: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Prompts of a sample run that all its models answered: [{"prompt": …, "answers": {model: text}}].

    From what the run reported: labeling keeps one of two equal answers, and here both are wanted.
    """
    answers: dict[str, dict[str, str]] = {}
    for line in client.get(f"runs/{run['id']}/metrics/"):
        if line["type"] == "sample":
            values = line["values"]
            answers.setdefault(values["prompt"], {})[values["model"]] = values["completion"]
    whole = ((prompt, found) for prompt, found in answers.items() if len(found) == len(run["models"]))
    return [{"prompt": prompt, "answers": found} for prompt, found in itertools.islice(whole, count)]


def _finished(client: Client, address: str, bar: Bar) -> dict[str, Any]:
    """Follow an import or a snapshot to its end. Raises StageFailed with the job's own sentence."""
    for _ in _ticks(bar, "waiting for the worker"):
        job: dict[str, Any] = client.get(address)
        if job["state"] == "failed":
            raise StageFailed(bar.name, job["error"])
        if job["state"] == "done":
            return job
    raise StageFailed(bar.name, "The default worker did not do it in time.")


def _ticks(bar: Bar, phase: str) -> Iterator[int]:
    start = time.monotonic()
    while (waited := time.monotonic() - start) < _PATIENCE:
        yield int(waited)
        bar.update(phase, int(waited), None)
        time.sleep(_TICK)
