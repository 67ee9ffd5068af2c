"""What must be the same for a saved state to fit a run: data, models, text, settings, precision and processes.

Sealed things are known by their digests. What a run by hand names without one is known by what lies there: a sealed
folder by its own manifest, pretraining text by its contents, a base model's folder by its configuration and the names
and sizes of its files (its weights are large, and another model of the very same sizes is told by nothing less).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchange import envelope
from training.engine.base import resolve_base
from training.engine.config import as_dict
from training.engine.errors import RunError
from training.engine.runtime import Run

_FREE = ("save_minutes",)  # settings that may change between two parts of a run


def fingerprint(run: Run) -> dict[str, Any]:
    """The run's fingerprint, plain JSON. Reads manifests, and files that have none: once a process is enough."""
    inputs = run.inputs
    settings = {name: value for name, value in as_dict(run.settings).items() if name not in _FREE}
    return {
        "kind": run.kind,
        "snapshot": inputs.get("snapshot_digest") or _sealed(inputs.get("snapshot")),
        "base model": _base_model(inputs),
        "policy": _reference(inputs.get("policy")),
        "reward model": _reference(inputs.get("reward")),
        "pretraining text": _text(inputs.get("pretrain")),
        "precision": str(run.dtype),
        "number of processes": run.world,
        "settings": settings,
    }


def check(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise RunError, which names what differs, where a state of one fingerprint does not fit a run of another."""
    others = [name for name in now if name != "settings" and saved.get(name) != now[name]]
    before = saved.get("settings", {})
    others += [f"setting {name}" for name, value in now["settings"].items() if before.get(name) != value]
    if others:
        raise RunError(
            f"The run cannot go on from its saved state, which has another {', another '.join(others)}; "
            "start a new run instead."
        )


def _sealed(folder: str | None) -> str | None:
    return envelope.manifest_digest(envelope.read_manifest(Path(folder))) if folder else None


def _reference(reference: Mapping[str, Any] | None) -> str | None:
    reference = reference or {}
    return reference.get("digest") or _sealed(reference.get("path"))


def _base_model(inputs: Mapping[str, Any]) -> list[str]:
    """Its name, and what lies in its folder where the run starts from it; a hub's model is known by its name."""
    name = inputs.get("base_model") or "smollm2"
    if (inputs.get("policy") or {}).get("path"):
        return [name]
    folder = Path(resolve_base(name, Path(inputs["models_dir"])))
    if not folder.is_dir():
        return [name]
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{file.name}\0{file.stat().st_size}\n".encode())
    return [name, digest.hexdigest()]


def _text(reference: Mapping[str, Any] | None) -> str | None:
    reference = reference or {}
    if reference.get("digest") or not reference.get("path"):
        return reference.get("digest")
    source = Path(reference["path"])
    digest = hashlib.sha256()
    try:
        for file in sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{file.relative_to(source.parent)}\0{content}\n".encode())
    except OSError as error:
        raise RunError(f"The pretraining text {source.name} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()
