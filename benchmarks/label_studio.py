"""Label Studio on the same machine and the same data, over its own API.

Installed from the package index into var/bench/label-studio. It runs as its own settings for PostgreSQL say, on a
PostgreSQL of the system (it needs pg_trgm) and two gunicorn workers of four threads. Tasks are brought in through its
import; eight users of one organisation each take the project's next task and submit an annotation of its Ranker, with
legacy tokens, its cheapest way to sign in.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from benchmarks.labelers import Client, label_for, postmaster

PACKAGES = ("label-studio==1.23.0", "gunicorn==27.0.1")
LABELERS, WORKERS, THREADS = 8, 2, 4
AT_ONCE = 5_000  # tasks in one import
CONFIG = """<View>
  <Text name="prompt" value="$prompt"/>
  <List name="answers" value="$answers" title="Answers"/>
  <Ranker name="rank" toName="answers"/>
</View>"""
PEOPLE = f"""
import django, json
django.setup()
from organizations.functions import create_organization
from users.models import User
people = [User.objects.create_user(f"labeler{{n}}@example.com", "bench") for n in range({LABELERS})]
organization = create_organization("Bench", created_by=people[0], legacy_api_tokens_enabled=True)
for person in people:
    if person != people[0]:
        organization.add_user(person)
    person.active_organization = organization
    person.save()
print(json.dumps([person.auth_token.key for person in people]))
"""


def rival(folder: Path, size: int, texts: tuple[str, list[str]], seconds: float) -> dict[str, Any]:
    """Install, fill with `size` tasks of these texts, measure; the row of the table."""
    from benchmarks.labeling import free_port

    python = install(Path(os.environ["PLUMBLINE_VAR"]).parent / "label-studio")
    root = next(python.parents[1].glob("lib/python3*/site-packages/label_studio"))
    database = Database()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(root),
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "DJANGO_DB": "default",
        "POSTGRE_HOST": str(database.folder),
        "POSTGRE_NAME": "postgres",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
    }
    ran([python, "manage.py", "migrate", "--no-color"], root, environment)
    made = ran([python, "-c", PEOPLE], root, environment)
    tokens: list[str] = json.loads(made.strip().splitlines()[-1])
    port = free_port()
    log = open(folder / "label-studio.log", "ab")  # noqa: SIM115 - the server's, until it ends
    server = subprocess.Popen(
        [
            *(python, "-m", "gunicorn", "core.wsgi", "--bind", f"127.0.0.1:{port}", "--timeout", "300"),
            *("--workers", str(WORKERS), "--threads", str(THREADS)),
        ],
        cwd=root,
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        clients = [Client(port, {"Authorization": f"Token {token}"}) for token in tokens]
        project, filled = fill(clients[0], port, tokens[0], size, texts)
        programs = {"web": server.pid, "database": postmaster(database.folder / "data" / "postmaster.pid")}
        measured = label_for(seconds, len(clients), work_of(clients, project), programs)
    finally:
        server.terminate()
        server.wait(30)
        database.stop()
    return {"side": "Label Studio 1.23", "tasks": size, "overlap": 1, "fill_s": filled, **measured}


class Database:
    """A PostgreSQL of the system in a folder of its own: Label Studio needs its contrib extension pg_trgm."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
        if not found:
            raise SystemExit(
                "Label Studio needs a PostgreSQL with pg_trgm: install postgresql and postgresql-contrib."
            )
        self.folder = Path(tempfile.mkdtemp(prefix="label-studio-pg-"))
        self._programs = found[-1].parent
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "postgres")
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--pgdata", str(self.folder / "data")
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder}"
        self._run(
            "pg_ctl", "start", "-w", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options
        )

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self._run("pg_ctl", "stop", "-m", "fast", "-D", str(self.folder / "data"))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        user = "postgres" if os.getuid() == 0 else None
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/tmp")


def install(folder: Path) -> Path:
    """Its own environment; its Python."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (folder / "installed").touch()
    return python


def ran(command: list[Any], root: Path, environment: dict[str, str]) -> str:
    """Run a program of Label Studio's; what it printed."""
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Label Studio's {command[1]} failed: {done.stderr[-3000:]}")
    return done.stdout


def fill(client: Client, port: int, token: str, size: int, texts: tuple[str, list[str]]) -> tuple[int, float]:
    """Make the project and import its tasks; its number and the seconds of the import."""
    deadline = time.monotonic() + 180
    while True:
        try:
            status, project = client.call("POST", "/api/projects/", {"title": "Bench", "label_config": CONFIG})
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
            client.connect(port)
    if status != 201:
        raise SystemExit(f"Label Studio made no project: {status} {str(project)[:300]}")
    prompt, answers = texts
    before = time.perf_counter()
    for first in range(0, size, AT_ONCE):
        tasks = [
            {
                "prompt": f"{number}: {prompt}",
                "answers": [{"id": f"{number}-{k}", "title": f"{k}", "body": text} for k, text in enumerate(answers)],
            }
            for number in range(first, min(first + AT_ONCE, size))
        ]
        status, body = client.call("POST", f"/api/projects/{project['id']}/import", tasks)
        if status >= 300:
            raise SystemExit(f"Label Studio imported nothing: {status} {str(body)[:300]}")
    return project["id"], round(time.perf_counter() - before, 1)


def work_of(clients: list[Client], project: int) -> Any:
    """Take the next task, submit an annotation of it."""

    def work(number: int, timed: Any) -> bool:
        client = clients[number]
        task = timed("next", lambda: client.call("GET", f"/api/projects/{project}/next"))
        if task is None or "data" not in task:
            return False
        order = [answer["id"] for answer in task["data"]["answers"]]
        random.shuffle(order)
        value = {"ranker": {"rank": order}}
        result = [{"from_name": "rank", "to_name": "answers", "type": "ranker", "value": value}]
        path = f"/api/tasks/{task['id']}/annotations/?project={project}"
        timed("submit", lambda: client.call("POST", path, {"result": result, "lead_time": 5.0}))
        return True

    return work
