"""Runs of the engine's scripts, as the platform starts them, each done once: a second call reads what the first left.

    var/experiments/<name>-<digest of all that it was asked for>/   a run directory

A run that was killed goes on from its saved state at the next call.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.envelope import canonical_json
from training import launcher
from training.engine.config import as_dict, settings_for
from training.version import code_version

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "var" / "experiments"
BASE = os.environ.get("BASE_MODEL", "smollm2")
Model = dict[str, Any] | None


@dataclass(frozen=True)
class Done:
    """A run that succeeded: its summary, the lines of metrics.jsonl, its checkpoint as another run's input, and where
    its completions are below its directory.
    """

    summary: dict[str, Any]
    lines: list[dict[str, Any]]
    model: Model
    completions: str
    directory: Path

    def curve(self, name: str, of: str = "metrics") -> list[tuple[int, float]]:
        """A figure over the steps."""
        return [(line["step"], line["values"][name]) for line in self.lines
                if line["type"] == of and line["values"].get(name) is not None]  # fmt: skip


def trained(
    name: str, kind: str, snapshot: Path, settings: dict[str, Any], *, preset: str = "cpu", **inputs: Any
) -> Done:
    """The run of this kind with these settings and inputs, made now or before. Raises SystemExit where it fails."""
    config = {
        "kind": kind,
        "run": {"id": name, "name": name, "project": "experiments"},
        "store": None,
        "inputs": {
            "snapshot": str(snapshot), "snapshot_digest": snapshot.name, "base_model": BASE,
            "models_dir": str(ROOT / "var" / "models"), "policy": None, **inputs,
        },
        "settings": as_dict(settings_for(kind, preset, settings)),
    }  # fmt: skip
    digest = hashlib.sha256(canonical_json(config).encode()).hexdigest()[:10]
    directory = HOME / f"{name}-{digest}"
    if not (done := _result(directory)).get("ok"):
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**config, "code_version": code_version(ROOT)}, indent=1)
        (directory / "config.json").write_text(text, encoding="utf-8")
        print(f"{name}: {kind} …", flush=True)
        launch = launcher.launch(directory, f"training.engine.{kind}", env={"PYTHONPATH": str(ROOT), **_threads()})
        try:
            launch.process.wait()
        finally:
            launch.stop()
        done = _result(directory)
    if not done.get("ok"):
        sentence = done.get("error", {}).get("message", f"see {directory / 'log.txt'}")
        raise SystemExit(f"{name} failed: {sentence}")
    checkpoint = done.get("checkpoint")
    model = {"name": name, "path": str(directory / checkpoint), "digest": done["digest"]} if checkpoint else None
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return Done(done["summary"], lines, model, done.get("completions", ""), directory)


def _result(directory: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        return found
    except FileNotFoundError:
        return {}


def _threads() -> dict[str, str]:
    return {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
