"""Saved states on the disk: each whole or not there, the last two kept.

    state/step-00000120/   tensors-000.safetensors …   state.json (written last, with the hashes of the tensors)

A state is written under another name beside the ones before it, reaches the disk, and is renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

VERSION = 1
KEPT = 2
_FILE_BYTES = 512 << 20


def write(folder: Path, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a state with its `step` and tensors, and remove all but the last two. Raises OSError, SafetensorError."""
    folder.mkdir(exist_ok=True)
    building = folder / f".{_name(state['step'])}.tmp"
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir()
        whole = {**state, "version": VERSION, "files": _write_tensors(building, tensors)}
        text = building / "state.json"
        text.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
        _sync(text)
        building.rename(folder / _name(state["step"]))
        _sync(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    for old in _steps(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def exists(folder: Path, step: int) -> bool:
    """Whether there is a state of this step."""
    return (folder / _name(step)).exists()


def exists_any(folder: Path) -> bool:
    """Whether there is any state, whole or not."""
    return bool(_steps(folder))


def newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest state whose tensors are whole, with its state.json; None without any."""
    for path in reversed(_steps(folder)):
        try:
            state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if state["version"] == VERSION and all(
                _sha256(path / file) == digest for file, digest in state["files"].items()
            ):
                return path, state
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def read(folder: Path, state: Mapping[str, Any], part: str) -> dict[str, Tensor]:
    """The tensors of one part of a state, by the names that the part gave them."""
    found = {}
    for file in state["files"]:
        with safe_open(folder / file, framework="pt") as stored:
            for name in stored.keys():  # noqa: SIM118 - it is no dict
                if name.startswith(part + "."):
                    found[name.removeprefix(part + ".")] = stored.get_tensor(name)
    return found


def _write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Write the tensors into files of about half a GiB, and give each file's hash: writing one copies it in memory."""
    files: list[dict[str, Tensor]] = []
    room = 0
    for name, tensor in tensors.items():
        if not files or room < tensor.nbytes:
            files.append({})
            room = _FILE_BYTES
        files[-1][name] = _own(tensor)
        room -= tensor.nbytes
    hashes = {}
    for number, part in enumerate(files):
        path = folder / f"tensors-{number:03d}.safetensors"
        save_file(part, path)
        _sync(path)
        hashes[path.name] = _sha256(path)
    return hashes


def _own(tensor: Tensor) -> Tensor:
    """Contiguous and in storage of its own: safetensors refuses tensors that share theirs."""
    tensor = tensor.detach()
    whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if whole else tensor.contiguous().clone()


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """What was written is on the disk before anything says so."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
