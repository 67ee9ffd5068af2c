"""Saved states on the disk: each whole or not there, the last two kept.

    state/step-00000120/   tensors-000.safetensors …   state.json (written last, with the hashes of the tensors)
                           rank-1-000.safetensors …    what rank 1 alone has, where layers are sharded

A state is written under another name beside the ones before it, reaches the disk, and is renamed: `begin`, `write` by
each rank, `seal` or `abandon`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

VERSION = 2  # 2: a fingerprint of what is there, and the count of skipped steps
KEPT = 2
_FILE_BYTES = 512 << 20


def begin(folder: Path, step: int) -> None:
    """Clear the place where a state of this step is built. A disk that refuses it will refuse `write` too."""
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        abandon(folder, step)
        _building(folder, step).mkdir()


def write(folder: Path, step: int, tensors: Mapping[str, Tensor], rank: int = 0) -> dict[str, str]:
    """Write a rank's tensors into files of about half a GiB, and give each file's hash.

    Writing one copies it in memory. Raises OSError, SafetensorError.
    """
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
        path = _building(folder, step) / f"{_rank(rank)}-{number:03d}.safetensors"
        save_file(part, path)
        _sync(path)
        hashes[path.name] = _sha256(path)
    return hashes


def seal(folder: Path, state: Mapping[str, Any]) -> None:
    """Make what was written a state with its `step` and `files`, and remove all but the last two. Raises OSError."""
    building = _building(folder, state["step"])
    text = building / "state.json"
    text.write_text(json.dumps({**state, "version": VERSION}, ensure_ascii=False, indent=1), encoding="utf-8")
    _sync(text)
    building.rename(folder / _name(state["step"]))
    _sync(folder)
    for old in _steps(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def abandon(folder: Path, step: int) -> None:
    """Remove what was written of a state that was not sealed."""
    shutil.rmtree(_building(folder, step), ignore_errors=True)


def exists(folder: Path, step: int) -> bool:
    """Whether there is a state of this step."""
    return (folder / _name(step)).exists()


def exists_any(folder: Path) -> bool:
    """Whether there is any state, whole or not."""
    return bool(_steps(folder))


def remove_after(folder: Path, step: int | None) -> None:
    """Remove the states of later steps than this one, all without any: they are not whole.

    Left there, they would keep a state of their own step from being saved, and a place of the two from others.
    """
    for path in _steps(folder):
        if step is None or path.name > _name(step):
            shutil.rmtree(path, ignore_errors=True)


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


def read(folder: Path, state: Mapping[str, Any], part: str, rank: int = 0) -> dict[str, Tensor]:
    """The tensors of one part of a state, by the names that the part gave them: the rank's own, else the first's."""
    found: dict[str, Tensor] = {}
    for whose in dict.fromkeys((_rank(rank), _rank(0))):
        for file in state["files"]:
            if file.startswith(whose + "-"):
                with safe_open(folder / file, framework="pt") as stored:
                    for name in stored.keys():  # noqa: SIM118 - it is no dict
                        short = name.removeprefix(part + ".")
                        if name != short and short not in found:
                            found[short] = stored.get_tensor(name)
    return found


def _own(tensor: Tensor) -> Tensor:
    """Contiguous and in storage of its own: safetensors refuses tensors that share theirs."""
    tensor = tensor.detach()
    whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if whole else tensor.contiguous().clone()


def _rank(rank: int) -> str:
    return f"rank-{rank}" if rank else "tensors"


def _building(folder: Path, step: int) -> Path:
    return folder / f".{_name(step)}.tmp"


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
