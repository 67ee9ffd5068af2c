"""Starting a run over the API and following it to its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from config.demo.client import Client
from config.demo.progress import Bar, StageFailed

_LIVE = ("queued", "running", "cancelling")
_TICK = 1.0


def run_to_end(client: Client, bar: Bar, *, runs: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Start a run with the `cpu` preset, follow it, return it when it succeeded.

    Its notes, such as what a budget leaves out, are shown as they come. Raises StageFailed with the run's sentence.
    """
    run: dict[str, Any] = client.post("runs/", {"preset": "cpu", **asked})
    shown = 0
    while True:
        notes = run.get("notes") or []
        for text in notes[shown:]:
            bar.note(str(text))
        shown = len(notes)
        if run["state"] not in _LIVE:
            break
        bar.update(run["phase"] or run["state"], run["done"], run["total"], run["remaining_seconds"])
        time.sleep(_TICK)
        run = client.get(f"runs/{run['id']}/")
    if run["state"] != "succeeded":
        raise StageFailed(
            bar.name, run["error"] or f"The run was {run['state']}.", str(runs / str(run["id"]) / "log.txt")
        )
    return run
