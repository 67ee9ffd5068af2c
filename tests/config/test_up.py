"""`manage.py up` with real processes: it serves, refuses a second start, ends without orphans, survives a kill."""

from __future__ import annotations

import signal
import socket
import time
import urllib.request

import pytest

from config.processes import marked
from tests.config.platform import Platform, free_port, living, own_directory


@pytest.fixture(scope="module")
def platform():
    with own_directory() as folder:
        found = Platform(folder / "var", free_port()).wait_until_ready()
        yield found
        if found.process.poll() is None:
            found.stop(signal.SIGTERM)
        assert living(found.var) == []


def named(platform, part):
    return [process for process in marked(platform.var) if part in " ".join(process.cmdline())]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def test_it_serves_and_prints_the_first_password_once(platform):
    assert answers(f"{platform.site}login/")
    assert platform.said().count("Administrator: admin, password ") == 1
    password = platform.said().split("password ")[1].split()[0]
    kept = [path for path in platform.var.glob("*") if path.is_file() and password in path.read_text(errors="replace")]
    assert kept == []


def test_all_programs_run(platform):
    for part in ("gunicorn", "-Q default", "-Q train", "beat"):
        assert named(platform, part), part


def test_a_web_process_stays_below_200_mib(platform):
    for _ in range(20):
        assert answers(f"{platform.site}login/")
    sizes = [process.memory_info().rss / 2**20 for process in named(platform, "gunicorn")]
    assert max(sizes) < 200, sizes


def test_a_second_start_says_where_the_first_one_serves(platform):
    second = platform.manage("up")
    assert second.returncode == 1
    assert second.stderr.strip() == (
        f"CommandError: Plumbline already runs at {platform.site} (data in {platform.var})."
    )
    assert platform.process.poll() is None


def test_what_dies_comes_back(platform):
    gunicorn = {process.pid: process for process in named(platform, "gunicorn")}
    (master,) = [process for process in gunicorn.values() if process.ppid() not in gunicorn]
    master.kill()
    deadline = time.monotonic() + 60
    while True:
        now = {process.pid for process in named(platform, "gunicorn")}
        if now and now.isdisjoint(gunicorn) and answers(f"{platform.site}login/"):
            break
        assert time.monotonic() < deadline, (platform.var / "log" / "web.log").read_text()
        time.sleep(0.2)


def test_after_kill_nine_the_next_start_ends_the_leftovers(platform):
    platform.stop(signal.SIGKILL)
    left = {process.pid for process in marked(platform.var)}
    assert len(left) >= 5
    again = Platform(platform.var, platform.port).wait_until_ready()
    try:
        assert "that an earlier start had left behind" in again.said()
        assert "Administrator" not in again.said()
        assert left.isdisjoint(process.pid for process in marked(again.var))
    finally:
        seconds = again.stop(signal.SIGINT)
    assert again.process.returncode == 0, again.said()
    assert seconds < 10
    assert living(platform.var) == []


def test_a_taken_port_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = Platform(tmp_path / "var", taken.getsockname()[1])
        assert refused.process.wait(60) == 1
    assert refused.said().strip() == (
        f"CommandError: Cannot serve on 127.0.0.1:{refused.port} (Address already in use); set PORT to a free one."
    )
    assert living(tmp_path / "var") == []


def test_a_database_that_does_not_answer_is_one_sentence(tmp_path):
    refused = Platform(
        tmp_path / "var", free_port(), DATABASE_URL="postgres://nobody:secret@127.0.0.1:1/none", REDIS_URL=""
    )
    assert refused.process.wait(60) == 1
    said = refused.said()
    assert "CommandError: The database does not answer: " in said
    assert "secret" not in said
    assert "Traceback" not in said
    assert living(tmp_path / "var") == []
