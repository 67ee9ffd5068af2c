"""A directory that proves what it holds.

An envelope is an immutable directory whose `manifest.json`, written last, lists every file with its SHA-256 and size.
The digest of an envelope is the SHA-256 of the manifest's canonical JSON, so the same content has the same digest
wherever and whenever it was written. A directory without a manifest is unfinished and is never read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class EnvelopeError(Exception):
    """An envelope is missing, unfinished or changed. The message is one sentence for the person who asked for it."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def manifest_digest(manifest: dict[str, Any]) -> str:
    """The digest that names an envelope: SHA-256 of its manifest's canonical JSON."""
    return hashlib.sha256(canonical_json(manifest).encode()).hexdigest()


def seal(directory: Path, *, format: str, version: int, meta: dict[str, Any]) -> str:
    """Hash every file below `directory`, write the manifest last and atomically, return the digest.

    `meta` must be JSON without timestamps or host names, since it is part of the digest.
    """
    files = {
        name: {"sha256": file_sha256(path), "bytes": path.stat().st_size} for name, path in _files_below(directory)
    }
    manifest = {"format": format, "version": version, "meta": meta, "files": files}
    temporary = directory / (MANIFEST + ".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(canonical_json(manifest) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(directory / MANIFEST)
    return manifest_digest(manifest)


def write_envelope(
    parent: Path, fill: Callable[[Path], dict[str, Any]], *, format: str, version: int
) -> tuple[str, Path]:
    """Build an envelope beside its final place and rename it to its digest; return (digest, directory).

    `fill` writes the files into the directory that it is given and returns the manifest's `meta`. When anything
    fails nothing is left behind. When the same content exists already, that directory is kept and returned.
    """
    parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=parent))
    try:
        building.chmod(0o755)
        digest = seal(building, meta=fill(building), format=format, version=version)
        final = parent / digest
        if not (final / MANIFEST).exists():
            building.rename(final)
        return digest, final
    finally:
        shutil.rmtree(building, ignore_errors=True)


def read_manifest(directory: Path, *, format: str | None = None) -> dict[str, Any]:
    """The manifest of a finished envelope. Raises EnvelopeError when it is missing, broken or of another format."""
    path = directory / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EnvelopeError(f"{directory} is not a finished envelope: its {MANIFEST} is missing.") from error
    except (OSError, ValueError) as error:
        raise EnvelopeError(f"The {MANIFEST} of {directory} cannot be read: {error}.") from error
    if not isinstance(manifest, dict) or not {"format", "version", "meta", "files"} <= manifest.keys():
        raise EnvelopeError(f"The {MANIFEST} of {directory} lacks its format, version, meta or files.")
    if not isinstance(manifest["meta"], dict) or not _are_files(manifest["files"]):
        raise EnvelopeError(f"The {MANIFEST} of {directory} does not say as it should what it holds.")
    if format is not None and manifest["format"] != format:
        raise EnvelopeError(f"{directory} holds {manifest['format']!r}, but {format!r} was asked for.")
    return manifest


def verify(directory: Path, *, format: str | None = None, digest: str | None = None) -> dict[str, Any]:
    """Read the manifest and check every file's presence, size and hash; return the manifest.

    Raises EnvelopeError that names the first file that is missing or changed.
    """
    manifest = read_manifest(directory, format=format)
    if digest is not None and manifest_digest(manifest) != digest:
        raise EnvelopeError(f"The manifest of {directory} was changed: its digest is no longer {digest[:12]}.")
    for name in manifest["files"]:
        verify_file(directory, manifest, name)
    return manifest


def verify_file(directory: Path, manifest: dict[str, Any], name: str) -> Path:
    """The path of one file that the manifest lists, checked. Raises EnvelopeError when it is missing or changed."""
    entry, path = manifest["files"][name], directory / name
    if not path.is_file():
        raise EnvelopeError(f"{directory.name[:12]} lacks its file {name}.")
    if path.stat().st_size != entry["bytes"] or file_sha256(path) != entry["sha256"]:
        raise EnvelopeError(f"The file {name} of {directory.name[:12]} was changed since it was written.")
    return path


def _are_files(files: Any) -> bool:
    """Names with hash and size, none of which leads out of the directory: whoever fetches writes where they say."""
    return isinstance(files, dict) and all(
        name
        and not name.startswith("/")
        and ".." not in name.split("/")
        and "\x00" not in name
        and isinstance(entry, dict)
        and {"sha256", "bytes"} <= entry.keys()
        for name, entry in files.items()
    )


def _files_below(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in (MANIFEST, MANIFEST + ".tmp"):
            yield path.relative_to(directory).as_posix(), path
