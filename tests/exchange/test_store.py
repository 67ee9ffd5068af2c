"""The artifact store, on a local folder and on a real S3 server: published once, verified when it is read."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.envelope import EnvelopeError, canonical_json, manifest_digest, write_envelope
from exchange.store import Store


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server of our own."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path) -> Store:
    if request.param == "local":
        return Store(str(tmp_path / "store"), cache=tmp_path / "cache")
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    options = {"endpoint_url": request.getfixturevalue("s3"), "client_kwargs": {"region_name": "eu-west-1"}}
    made = Store(f"s3://{bucket}/plumbline", cache=tmp_path / "cache", **options)
    made.filesystem.mkdir(bucket)
    return made


def envelope(parent: Path, text: str = "hello") -> tuple[str, Path]:
    def fill(directory: Path) -> dict[str, object]:
        (directory / "inner").mkdir()
        (directory / "inner" / "a.txt").write_text(text)
        (directory / "b.txt").write_text("b")
        return {"about": text}

    return write_envelope(parent, fill, format="plumbline.test", version=1)


def test_put_list_manifest_fetch(store, tmp_path):
    assert store.list("snapshots") == []
    digest, directory = envelope(tmp_path / "out")
    assert store.put("snapshots", directory) == digest
    assert store.put("snapshots", directory) == digest
    other, directory = envelope(tmp_path / "out", "other")
    store.put("snapshots", directory)
    assert store.list("snapshots") == sorted([digest, other])
    assert store.list("checkpoints") == []
    assert store.manifest("snapshots", digest)["meta"] == {"about": "hello"}
    fetched = store.fetch("snapshots", digest)
    assert (fetched / "inner" / "a.txt").read_text() == "hello"
    assert store.fetch("snapshots", digest) == fetched


def test_an_unfinished_envelope_is_not_listed(store, tmp_path):
    digest, directory = envelope(tmp_path / "out")
    store.put("snapshots", directory)
    store.filesystem.rm(f"{store.root}/snapshots/{digest}/manifest.json")
    assert store.list("snapshots") == []
    with pytest.raises(EnvelopeError):
        store.fetch("snapshots", digest)
    store.put("snapshots", directory)  # whoever was interrupted finishes it by doing it again
    assert store.list("snapshots") == [digest]
    assert store.fetch("snapshots", digest).name == digest


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_changed_or_missing_file_is_refused_and_nothing_is_cached(store, tmp_path, harm):
    digest, directory = envelope(tmp_path / "out")
    store.put("snapshots", directory)
    path = f"{store.root}/snapshots/{digest}/inner/a.txt"
    if harm == "changed":
        store.filesystem.pipe_file(path, b"jello")
    else:
        store.filesystem.rm(path)
    with pytest.raises(EnvelopeError):
        store.fetch("snapshots", digest)
    cached = tmp_path / "cache" / "snapshots"
    assert not cached.exists() or list(cached.iterdir()) == []


@pytest.mark.parametrize("harm", ["changed", "missing", "manifest"])
def test_publishing_again_puts_back_what_was_damaged_and_only_that(store, tmp_path, harm):
    digest, directory = envelope(tmp_path / "out")
    store.put("snapshots", directory)
    folder = f"{store.root}/snapshots/{digest}"
    if harm == "missing":
        store.filesystem.rm(f"{folder}/inner/a.txt")
    else:
        store.filesystem.pipe_file(f"{folder}/{'inner/a.txt' if harm == 'changed' else 'manifest.json'}", b"jello")
    untouched = store.filesystem.modified(f"{folder}/b.txt")
    assert store.put("snapshots", directory) == digest
    assert (store.fetch("snapshots", digest) / "inner" / "a.txt").read_text() == "hello"
    assert store.filesystem.modified(f"{folder}/b.txt") == untouched


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_a_damaged_copy_in_the_cache_is_fetched_again(store, tmp_path):
    digest, directory = envelope(tmp_path / "out")
    store.put("snapshots", directory)
    (store.fetch("snapshots", digest) / "b.txt").write_text("c")
    assert (store.fetch("snapshots", digest) / "b.txt").read_text() == "b"


def test_what_is_damaged_in_a_local_store_says_how_it_is_mended(tmp_path):
    store = Store(str(tmp_path / "store"), cache=tmp_path / "cache")
    digest, directory = envelope(tmp_path / "out")
    store.put("snapshots", directory)
    (tmp_path / "store" / "snapshots" / digest / "b.txt").unlink()
    with pytest.raises(EnvelopeError) as error:
        store.fetch("snapshots", digest)
    assert str(error.value) == f"{digest[:12]} lacks its file b.txt; freezing the same labels again puts it back."


def test_an_envelope_that_is_not_there(store):
    for ask in (store.fetch, store.manifest):
        with pytest.raises(EnvelopeError):
            ask("snapshots", "0" * 64)


@pytest.mark.parametrize("digest", ["", "../../etc", "A" * 64, "0" * 63, "0" * 65])
def test_only_digests_are_asked_for(store, digest):
    with pytest.raises(EnvelopeError, match="is not a digest"):
        store.fetch("snapshots", digest)


def test_a_tampered_envelope_is_not_published(store, tmp_path):
    _, directory = envelope(tmp_path / "out")
    (directory / "b.txt").write_text("c")
    with pytest.raises(EnvelopeError, match=r"The file b\.txt of"):
        store.put("snapshots", directory)
    assert store.list("snapshots") == []


def test_unknown_kinds_are_a_mistake_of_the_caller(store):
    with pytest.raises(ValueError, match="unknown kind 'models'"):
        store.list("models")


def test_what_is_known_is_not_listed_again(store, tmp_path):
    digest, directory = envelope(tmp_path / "out")
    other, second = envelope(tmp_path / "out", "other")
    store.put("snapshots", directory)
    store.put("snapshots", second)
    assert store.list("snapshots", known={digest}) == [other]


def test_one_file_is_verified_by_itself(store, tmp_path):
    digest, directory = envelope(tmp_path / "out")
    store.put("snapshots", directory)
    assert store.file("snapshots", digest, "b.txt").read_text() == "b"
    with pytest.raises(EnvelopeError, match=r"holds no file \.\./b\.txt"):
        store.file("snapshots", digest, "../b.txt")
    held = store.fetch("snapshots", digest)
    (held / "inner" / "a.txt").write_text("jello")
    assert store.file("snapshots", digest, "b.txt").read_text() == "b"
    with pytest.raises(EnvelopeError, match=r"The file inner/a\.txt of"):
        store.file("snapshots", digest, "inner/a.txt")


def test_a_publication_that_fails_half_way_leaves_nothing(store, tmp_path, monkeypatch):
    digest, directory = envelope(tmp_path / "out")
    put = store.filesystem.put_file

    def full(source, target, **options):
        if target.endswith("a.txt"):
            raise OSError(28, "No space left on device")
        put(source, target, **options)

    monkeypatch.setattr(store.filesystem, "put_file", full)
    with pytest.raises(OSError, match="No space left"):
        store.put("snapshots", directory)
    assert not store.filesystem.exists(f"{store.root}/snapshots/{digest}/b.txt")
    assert not store.filesystem.exists(f"{store.root}/snapshots/{digest}/manifest.json")


def test_a_manifest_is_never_seen_half_written(tmp_path, monkeypatch):
    store = Store(str(tmp_path / "store"), cache=tmp_path / "cache")
    digest, directory = envelope(tmp_path / "out")
    seen = []
    copy = shutil.copyfile

    def slow(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:10])
        seen.append(store.list("snapshots"))
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", slow)
    store.put("snapshots", directory)
    assert seen
    assert not any(seen)
    assert store.list("snapshots") == [digest]


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", ""])
def test_a_manifest_that_leads_out_of_its_directory_writes_nothing(store, tmp_path, name):
    entry = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    manifest = {"format": "plumbline.test", "version": 1, "meta": {}, "files": {name: entry}}
    digest = manifest_digest(manifest)
    target = f"{store.root}/snapshots/{digest}"
    store.filesystem.makedirs(target, exist_ok=True)
    store.filesystem.pipe_file(f"{target}/manifest.json", canonical_json(manifest).encode())
    for ask in (store.fetch, store.manifest):
        with pytest.raises(EnvelopeError, match="does not say as it should what it holds"):
            ask("snapshots", digest)
    assert list(tmp_path.rglob("evil.txt")) == []
