"""The artifact store: envelopes by kind and digest, at any fsspec URL, with a local cache.

    <url>/snapshots/<digest>/…   <url>/checkpoints/<digest>/…   <url>/completions/<digest>/…

The manifest is uploaded last, so a reader never sees a half-written envelope. Nothing is ever changed in place; what
was lost or damaged is put back by publishing the same content again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from exchange import envelope
from exchange.envelope import MANIFEST, EnvelopeError

# What each kind's lost files are put back by.
_MENDED_BY = {
    "snapshots": "freezing the same labels again puts it back",
    "checkpoints": "put it back from a copy of the store, or train the model again",
    "completions": "put it back from a copy of the store, or sample again",
}
KINDS = tuple(_MENDED_BY)


class Store:
    """Envelopes at an fsspec URL. A local folder is used in place; anything else is cached below `cache` by digest."""

    def __init__(self, url: str, *, cache: Path, **options: Any) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(url, **options)
        self.cache = cache
        self.is_local = isinstance(self.filesystem, LocalFileSystem)

    def put(self, kind: str, directory: Path) -> str:
        """Publish a sealed envelope; return its digest.

        Publishing it again puts back what the store has lost or changed of it, and nothing else.
        """
        manifest = envelope.verify(directory)
        digest = envelope.manifest_digest(manifest)
        target = self._path(kind, digest)
        self.filesystem.invalidate_cache(target)
        published = self.filesystem.exists(f"{target}/{MANIFEST}")
        try:
            for name, entry in manifest["files"].items():
                if published and self._holds(f"{target}/{name}", entry):
                    continue
                self.filesystem.makedirs(f"{target}/{name}".rpartition("/")[0], exist_ok=True)
                self.filesystem.put_file(str(directory / name), f"{target}/{name}")
            if (
                not published
                or self.filesystem.cat_file(f"{target}/{MANIFEST}") != (directory / MANIFEST).read_bytes()
            ):
                self._put_manifest(directory / MANIFEST, target)
        except OSError:  # a full disk, a lost connection: half an envelope is worth nothing and takes room
            with suppress(OSError):
                if not self.filesystem.exists(f"{target}/{MANIFEST}"):  # else somebody else published it meanwhile
                    self.filesystem.rm(target, recursive=True)
            raise
        return digest

    def address(self, kind: str, digest: str) -> str:
        """Where an envelope is: a path in a local store, else a URL."""
        path = self._path(kind, digest)
        return path if self.is_local else str(self.filesystem.unstrip_protocol(path))

    def list(self, kind: str, *, known: Collection[str] = ()) -> list[str]:
        """Digests of all finished envelopes of a kind, sorted; without the `known`, which then cost no question."""
        root = f"{self.root}/{_known(kind)}"
        if not self.filesystem.isdir(root):
            return []
        self.filesystem.invalidate_cache(root)
        found = (entry.rstrip("/").rpartition("/")[2] for entry in self.filesystem.ls(root, detail=False))
        new = (digest for digest in found if len(digest) == 64 and digest not in known)
        return sorted(digest for digest in new if self.filesystem.exists(f"{root}/{digest}/{MANIFEST}"))

    def manifest(self, kind: str, digest: str) -> dict[str, Any]:
        """The manifest of one envelope, without fetching its files."""
        if self.is_local:
            return envelope.read_manifest(Path(self._path(kind, digest)))
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.filesystem.get_file(f"{self._path(kind, digest)}/{MANIFEST}", f"{folder}/{MANIFEST}")
            except FileNotFoundError as error:
                raise EnvelopeError(f"The store has no {kind.removesuffix('s')} {digest[:12]}.") from error
            return envelope.read_manifest(Path(folder))

    def fetch(self, kind: str, digest: str) -> Path:
        """A verified local directory of one envelope. Raises EnvelopeError when it is missing or changed."""
        directory = self._directory(kind, digest)
        try:
            envelope.verify(directory, digest=digest)
        except EnvelopeError as error:
            if self.is_local:
                raise EnvelopeError(f"{str(error).removesuffix('.')}; {_MENDED_BY[kind]}.") from error
            shutil.rmtree(directory, ignore_errors=True)  # our copy was damaged; the store's may be good
            directory = self._directory(kind, digest)
        return directory

    def file(self, kind: str, digest: str, name: str) -> Path:
        """One verified file of an envelope, the others unread. Raises EnvelopeError when it is missing or changed."""
        directory = self._directory(kind, digest)
        manifest = envelope.read_manifest(directory)
        if envelope.manifest_digest(manifest) != digest or name not in manifest["files"]:
            raise EnvelopeError(f"The store's {digest[:12]} holds no file {name}.")
        return envelope.verify_file(directory, manifest, name)

    def _directory(self, kind: str, digest: str) -> Path:
        if not self.is_local:
            return self._cached(kind, digest)
        directory = Path(self._path(kind, digest))
        if not directory.is_dir():
            raise EnvelopeError(f"The store has no {kind.removesuffix('s')} {digest[:12]}; {_MENDED_BY[kind]}.")
        return directory

    def _holds(self, path: str, entry: dict[str, Any]) -> bool:
        """Whether a file lies there with the size and content that the manifest says."""
        try:
            if self.filesystem.size(path) != entry["bytes"]:
                return False
            with self.filesystem.open(path, "rb") as stream:
                return bool(hashlib.file_digest(stream, "sha256").hexdigest() == entry["sha256"])
        except FileNotFoundError:
            return False

    def _put_manifest(self, manifest: Path, target: str) -> None:
        """The manifest appears whole: whoever polls the store would take half of one for a broken envelope."""
        if self.is_local:
            temporary = Path(target) / f".{MANIFEST}-{os.getpid()}"
            temporary.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest, temporary)
            temporary.rename(Path(target) / MANIFEST)
        else:
            self.filesystem.put_file(str(manifest), f"{target}/{MANIFEST}")

    def _cached(self, kind: str, digest: str) -> Path:
        final = self.cache / _known(kind) / digest
        if (final / MANIFEST).exists():
            return final
        manifest = self.manifest(kind, digest)
        final.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".fetching-", dir=final.parent))
        try:
            for name in (*manifest["files"], MANIFEST):
                target = building / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self.filesystem.get_file(f"{self._path(kind, digest)}/{name}", str(target))
            envelope.verify(building, digest=digest)
            try:
                building.rename(final)
            except OSError:  # another process fetched it at the same moment
                if not (final / MANIFEST).exists():
                    raise
        except FileNotFoundError as error:
            raise EnvelopeError(
                f"The store's {kind.removesuffix('s')} {digest[:12]} lacks a file: {error}."
            ) from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return final

    def _path(self, kind: str, digest: str) -> str:
        if len(digest) != 64 or not all(c in "0123456789abcdef" for c in digest):
            raise EnvelopeError(f"{digest!r} is not a digest.")
        return f"{self.root}/{_known(kind)}/{digest}"


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}")
    return kind
