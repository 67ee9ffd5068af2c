"""The lock, the mark and supervisor's configuration, each on its own."""

import configparser
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from config.processes import MARK, end_marked, marked
from config.programs import address, configuration, programs
from config.single import Lock, TakenError, holder


def test_a_lock_is_held_by_one_and_tells_who(tmp_path):
    path = tmp_path / "up.lock"
    assert holder(path) is None
    with Lock(path, "http://127.0.0.1:8000/"):
        assert holder(path) == "http://127.0.0.1:8000/"
        with pytest.raises(TakenError) as taken, Lock(path, "second"):
            pass
        assert taken.value.note == "http://127.0.0.1:8000/"
    assert holder(path) is None
    with Lock(path, "third"):
        assert holder(path) == "third"


def test_a_killed_holder_lets_go(tmp_path):
    path = tmp_path / "up.lock"
    code = (
        f"import time; from pathlib import Path; from config.single import Lock\n"
        f"with Lock(Path({str(path)!r}), 'other'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        assert holder(path) == "other"
        other.kill()
        other.wait()
    assert holder(path) is None
    with Lock(path, "mine"):
        assert holder(path) == "mine"


def start(var, code):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, MARK: str(var)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time\n"
    f"child = subprocess.Popen([sys.executable, '-c', {DEAF!r}], start_new_session=True, stdout=subprocess.PIPE)\n"
    "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
)


def test_a_mark_is_inherited_into_a_new_session_and_all_are_ended(tmp_path):
    other = start(tmp_path / "other", DEAF)
    parent = start(tmp_path, PARENT)
    try:
        grandchild = int(parent.stdout.readline())
        assert other.stdout.readline() == "up\n"
        assert {process.pid for process in marked(tmp_path)} == {parent.pid, grandchild}
        assert end_marked(tmp_path, patience=0.3) == 2
        assert marked(tmp_path) == []
        assert parent.wait(5) == -signal.SIGTERM
        deadline = time.monotonic() + 5
        while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
        assert other.poll() is None
    finally:
        for process in (other, parent):
            process.kill()
            process.wait()
            process.stdout.close()


def test_the_configuration_keeps_what_it_was_given(tmp_path):
    var = tmp_path / "a 100% var"
    kept = programs("/opt/my python", host="127.0.0.1", port=8000, workers=2, threads=4)
    text = configuration(kept, root=Path("/srv/plumbline"), var=var, user="root")
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert parser["supervisord"]["user"] == "root"
    assert parser["group:plumbline"]["programs"] == "web,default,train,beat"
    assert [program.name for program in kept] == ["web", "default", "train", "beat"]
    for program in kept:
        section = parser[f"program:{program.name}"]
        assert shlex.split(section["command"].replace("%%", "%")) == list(program.command)
        assert section["stdout_logfile"] == f"{tmp_path}/a 100%% var/log/{program.name}.log"
        assert section["autorestart"] == "true"
        assert int(section["stopwaitsecs"]) < 10
    assert "user" not in configuration(kept, root=Path("/srv"), var=var, user=None)


def test_the_train_worker_runs_one_run_at_a_time():
    (train,) = [p for p in programs("python", host="h", port=1, workers=1, threads=1) if p.name == "train"]
    assert train.command[train.command.index("-c", 4) + 1] == "1"
    assert train.command[train.command.index("-Q") + 1] == "train"


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")])
def test_addresses(host, shown):
    assert address(host, 80) == shown
