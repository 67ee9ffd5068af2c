"""Envelopes: the same content has the same name, an unfinished one is not read, a changed one is found out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from exchange.envelope import EnvelopeError, canonical_json, manifest_digest, read_manifest, verify, write_envelope


def write(parent: Path, files: dict[str, str], **meta) -> tuple[str, Path]:
    def fill(directory: Path) -> dict[str, object]:
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        return meta

    return write_envelope(parent, fill, format="plumbline.test", version=1)


def test_the_name_is_the_hash_of_the_canonical_manifest(tmp_path):
    digest, directory = write(tmp_path, {"b.txt": "two\n", "a/a.txt": "one\n"}, count=2)
    # Written out by hand, keys sorted, no spaces, then hashed with the standard library.
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"one\n", b"two\n"))
    text = (
        '{"files":{"a/a.txt":{"bytes":4,"sha256":"' + one + '"},"b.txt":{"bytes":4,"sha256":"' + two + '"}},'
        '"format":"plumbline.test","meta":{"count":2},"version":1}'
    )
    assert (directory / "manifest.json").read_text() == text + "\n"
    assert digest == hashlib.sha256(text.encode()).hexdigest() == directory.name


def test_the_same_content_is_written_once(tmp_path):
    first = write(tmp_path, {"a": "x"}, n=1)
    stamp = (first[1] / "manifest.json").stat().st_mtime_ns
    assert write(tmp_path, {"a": "x"}, n=1) == first
    assert (first[1] / "manifest.json").stat().st_mtime_ns == stamp
    assert {write(tmp_path, {"a": "y"}, n=1)[0], write(tmp_path, {"a": "x"}, n=2)[0]}.isdisjoint({first[0]})
    assert len([path for path in tmp_path.iterdir() if path.name.startswith(".")]) == 0


def test_a_failure_leaves_nothing_behind(tmp_path):
    def fill(directory: Path) -> dict[str, object]:
        (directory / "half.txt").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_envelope(tmp_path / "out", fill, format="plumbline.test", version=1)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unfinished_envelope_is_not_read(tmp_path):
    _, directory = write(tmp_path, {"a": "x"})
    (directory / "manifest.json").unlink()
    with pytest.raises(EnvelopeError, match=r"is not a finished envelope: its manifest\.json is missing\.$"):
        verify(directory)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda d: (d / "a").write_text("y"), "The file a of "),
        (lambda d: (d / "a").write_text("xx"), "The file a of "),
        (lambda d: (d / "a").unlink(), "lacks its file a."),
        (lambda d: (d / "manifest.json").write_text("{"), "cannot be read"),
        (lambda d: (d / "manifest.json").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda d: (d / "manifest.json").write_text("[]"), "lacks its format, version, meta or files."),
        (lambda d: (d / "manifest.json").write_text('{"format": "x"}'), "lacks its format, version, meta or files."),
    ],
)
def test_harm_is_found_and_named(tmp_path, harm, sentence):
    _, directory = write(tmp_path, {"a": "x"})
    harm(directory)
    with pytest.raises(EnvelopeError) as error:
        verify(directory)
    assert sentence in str(error.value)


def test_a_manifest_that_fits_its_changed_files_no_longer_fits_its_name(tmp_path):
    digest, directory = write(tmp_path, {"a": "x"})
    (directory / "a").write_text("y")
    manifest = read_manifest(directory)
    manifest["files"]["a"]["sha256"] = hashlib.sha256(b"y").hexdigest()
    (directory / "manifest.json").write_text(json.dumps(manifest))
    assert verify(directory)["files"] == manifest["files"]
    with pytest.raises(EnvelopeError, match="was changed: its digest is no longer"):
        verify(directory, digest=digest)


def test_another_format_is_refused(tmp_path):
    _, directory = write(tmp_path, {"a": "x"})
    with pytest.raises(EnvelopeError, match=r"holds 'plumbline\.test', but 'plumbline\.snapshot' was asked for\.$"):
        verify(directory, format="plumbline.snapshot")


def test_canonical_json_knows_no_order_and_no_nan():
    assert canonical_json({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'
    assert manifest_digest({"b": 1, "a": 2}) == manifest_digest({"a": 2, "b": 1})
    with pytest.raises(ValueError):
        canonical_json({"a": float("nan")})
