"""The launcher with real torchrun processes: output, exit codes, and no process left behind whichever way it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from training import launcher

MODULE = "tests.training.scripted_run"
# What another interpreter runs to be a worker that is killed: it launches the run and waits.
WORKER = f"""
import sys, time
from pathlib import Path
from training import launcher
launcher.launch(Path(sys.argv[1]), "{MODULE}")
time.sleep(300)
"""


@pytest.fixture
def run_dir(tmp_path):
    yield tmp_path
    launcher.end(launcher.marked(tmp_path), grace=0)


def configure(run_dir: Path, behaviour: str) -> None:
    config = {"kind": "sft", "run": {"id": "1", "name": "SFT 1", "project": "demo"}}
    (run_dir / "config.json").write_text(json.dumps({**config, "settings": {"behaviour": behaviour}}))


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_run_that_succeeds_exits_with_0_and_writes_its_log(run_dir):
    configure(run_dir, "succeed")
    launched = launcher.launch(run_dir, MODULE)
    wait_for(lambda: launched.poll() is not None)
    assert launched.poll() == 0
    assert "rank 0 of run 1: succeed" in (run_dir / "log.txt").read_text()
    assert launcher.marked(run_dir) == []


def test_two_ranks_run_side_by_side(run_dir):
    configure(run_dir, "silent")
    launched = launcher.launch(run_dir, MODULE, processes=2)
    wait_for(lambda: launched.poll() is not None)
    log = (run_dir / "log.txt").read_text()
    assert "rank 0 of run 1" in log
    assert "rank 1 of run 1" in log


def test_a_run_that_fails_has_another_exit_code(run_dir):
    configure(run_dir, "person")
    launched = launcher.launch(run_dir, MODULE)
    wait_for(lambda: launched.poll() is not None)
    assert launched.poll() == 1


def test_stop_ends_torchrun_and_the_rank(run_dir):
    configure(run_dir, "wait")
    launched = launcher.launch(run_dir, MODULE)
    wait_for((run_dir / "started").exists)
    rank = psutil.Process(int((run_dir / "started").read_text()))
    assert os.getsid(rank.pid) != os.getsid(launched.process.pid)  # so killing one session would leave it
    launched.stop(grace=10)
    assert launched.poll() != 0
    assert not rank.is_running()
    assert launcher.marked(run_dir) == []


def test_a_rank_that_ignores_term_is_killed_after_the_grace(run_dir):
    configure(run_dir, "stubborn")
    launched = launcher.launch(run_dir, MODULE)
    wait_for((run_dir / "started").exists)
    launched.stop(grace=0.5)
    assert launcher.marked(run_dir) == []


def test_a_rank_that_outlives_torchrun_is_ended(run_dir):
    configure(run_dir, "wait")
    launched = launcher.launch(run_dir, MODULE)
    wait_for((run_dir / "started").exists)
    launched.process.kill()
    launched.process.wait()
    assert [p.pid for p in launcher.marked(run_dir)] == [int((run_dir / "started").read_text())]
    launched.stop()
    assert launcher.marked(run_dir) == []


def test_what_a_killed_worker_left_is_found_as_orphans_and_ended(run_dir):
    configure(run_dir, "wait")
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(run_dir)])
    wait_for((run_dir / "started").exists)
    assert launcher.orphans(run_dir.parent) == []  # its worker lives
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    left = launcher.orphans(run_dir.parent)
    assert len(left) == 2  # torchrun and its rank
    assert launcher.orphans(run_dir / "elsewhere") == []
    launcher.end(left)
    assert launcher.marked(run_dir) == []


def test_the_platforms_secrets_stay_with_the_platform(run_dir, monkeypatch):
    secrets = {
        "SECRET_KEY": "k",
        "PSEUDONYM_KEY": "q",
        "DATABASE_URL": "postgresql://u:p@h/d",
        "REDIS_URL": "redis://:p@h/0",
        "ARTIFACTS_URL": "s3://bucket",
        "AWS_SECRET_ACCESS_KEY": "a",
        "AZURE_STORAGE_ACCOUNT_KEY": "z",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json",
    }
    for name, value in {**secrets, "HF_HOME": "/models"}.items():
        monkeypatch.setenv(name, value)
    environment = launcher.environment(run_dir, 1, {})
    assert secrets.keys() & environment.keys() == set()
    assert environment["HF_HOME"] == "/models"
    assert environment["MALLOC_MMAP_MAX_"] == "0"


def test_threads_are_the_physical_cores_shared_by_the_ranks(run_dir, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(launcher, "physical_cores", lambda: 8)
    assert launcher.environment(run_dir, 2, {})["OMP_NUM_THREADS"] == "4"
    assert launcher.environment(run_dir, 16, {})["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert launcher.environment(run_dir, 2, {})["OMP_NUM_THREADS"] == "3"
