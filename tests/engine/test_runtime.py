"""How a run's process begins and ends: what a full disk says, and how long ranks wait for one another."""

import errno
import os
from pathlib import Path

import pytest

from tests.engine.conftest import MAINS, prepare
from training.engine import answer_file, runtime
from training.engine.runtime import execute


def raising(number):
    def fail(*args, **options):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_while_metrics_are_written_is_said_to_the_person(
    make_snapshot, run_script, monkeypatch, number
):
    monkeypatch.setattr("training.engine.reporter.Reporter.metrics", raising(number))
    ran = run_script("sft", make_snapshot(), {"epochs": 1})
    assert ran.code == 1
    assert ran.refusal == f"The disk is full: make room in {ran.directory}, then let the run go on."


def test_another_error_of_a_file_is_the_engineers(make_snapshot, run_script, monkeypatch):
    monkeypatch.setitem(MAINS, "sft", raising(errno.EACCES))
    assert run_script("sft", make_snapshot()).result["error"]["audience"] == "engineer"


def test_an_answer_that_the_disk_does_not_take_is_a_failure_and_leaves_nothing(tmp_path, monkeypatch):
    usual = Path.write_text

    def half(path, text, **options):
        usual(path, text[:5], **options)
        raising(errno.ENOSPC)()

    monkeypatch.setattr(Path, "write_text", half)
    answer = answer_file.write(tmp_path / "result.json", {"ok": True, "summary": {}})
    assert answer == answer_file.failure("person", "The run's result could not be written: No space left on device.")
    failed = answer_file.failure("person", "Why.")
    assert answer_file.write(tmp_path / "result.json", failed) == failed
    assert list(tmp_path.iterdir()) == []


def test_ranks_wait_longer_than_the_first_takes_to_write_a_large_state(
    make_snapshot, tmp_path, models_dir, monkeypatch
):
    """7B parameters are 84 GB of masters and moments: at 50 MB/s, written, read and hashed, about an hour."""
    joined = {}

    def join(backend, **options):
        joined.update(options)
        raise KeyboardInterrupt

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(runtime.dist, "init_process_group", join)
    directory = prepare(tmp_path / "run", "sft", make_snapshot(), models_dir, {})
    with pytest.raises(KeyboardInterrupt):
        execute("sft", MAINS["sft"], directory)
    assert joined["timeout"].total_seconds() >= 3600
