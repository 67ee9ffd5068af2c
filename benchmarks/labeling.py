"""Labelers at work on the real server over HTTP, at 10 thousand, 100 thousand and a million ranking tasks.

    python -m benchmarks.labeling                       ours alone
    python -m benchmarks.labeling --rival               ours and Label Studio 1.23, at 100,000 tasks of the same data
    python -m benchmarks.labeling --sizes 10000 --seconds 10
    python -m benchmarks.labeling --think 0.5           each labeler thinks half a second over a label, on average

Two gunicorn workers as `manage.py up` starts them, an embedded PostgreSQL and Valkey in a scratch folder, eight
labelers who each keep a connection, take the next task (K = 4, short texts) and rank and rate its answers. One project
grows from size to size; at each size the overlap is 1, then 3, which rewrites no task. Prints a table and writes
var/bench/labeling.json. Label Studio is installed into var/bench/label-studio at the first use. The clock knows of all
else that the machine does; so the processor time that server and database spend on a label is measured as well.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.labelers import Client, label_for, postmaster

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "var" / "bench" / "labeling.json"
LABELERS, WORKERS, THREADS, K = 8, 2, 4, 4
RIVAL_SIZE = 100_000
NEXT = "/api/v1/projects/bench/assignments/next/"


def main() -> None:
    """Measure every size and overlap, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--overlaps", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--seconds", type=float, default=30.0, help="measured, at each size and overlap")
    parser.add_argument("--think", type=float, nargs="+", default=[0.0], help="mean seconds over a label; 0 saturates")
    parser.add_argument("--rival", action="store_true", help="measure Label Studio too")
    options = parser.parse_args()
    folder = ROOT / "var" / "bench" / "scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    machine = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
    measured: list[dict[str, Any]] = []
    print(HEAD)
    try:
        tokens = prepare(folder)
        for size in sorted(options.sizes):
            filled = fill(size)
            for overlap in options.overlaps:
                for think in options.think:
                    found = ours(tokens, overlap, options.seconds, think)
                    case = {"side": "Plumbline", "tasks": size, "overlap": overlap, "think_s": think}
                    measured.append({**case, "fill_s": filled, **found})
                    print(row(measured[-1]), flush=True)
            if options.rival and size == RIVAL_SIZE:
                from benchmarks.label_studio import rival

                measured.append(rival(folder, size, texts(), options.seconds))
                print(row(measured[-1]), flush=True)
    finally:
        from config.embedded import stop_postgres, stop_valkey

        stop_postgres(folder)
        stop_valkey(folder)
        shutil.rmtree(folder, ignore_errors=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"machine": machine, "labelers": LABELERS, "cases": measured}, indent=1) + "\n")
    verdict(measured)


HEAD = (
    "| side | tasks | overlap | thinking s | labels/s | next p50 / p95 / p99 | submit p50 / p95 / p99 "
    "| CPU ms | failed |\n"
    "| --- | ---: | ---: | ---: | ---: | --- | --- | --- | ---: |"
)


def row(case: dict[str, Any]) -> str:
    """One line of the table; milliseconds."""
    quantiles = (" / ".join(f"{value:.0f}" for value in case[name].values()) for name in ("next_ms", "submit_ms"))
    cost = case["cpu_ms_per_label"]
    return (
        f"| {case['side']} | {case['tasks']:,} | {case['overlap']} | {case.get('think_s', 0.0):g} "
        f"| {case['labels_per_second']} "
        f"| {' | '.join(quantiles)} | {cost['web']:.0f} + {cost['database']:.0f} | {case['failed']} |"
    )


def verdict(measured: list[dict[str, Any]]) -> None:
    """Print what follows from the table."""
    saturated = [case for case in measured if not case.get("think_s")]
    own = {(c["tasks"], c["overlap"]): c for c in saturated if c["side"] == "Plumbline"}
    for overlap in sorted({overlap for _, overlap in own}):
        sizes = sorted(size for size, at in own if at == overlap)
        small, large = own[sizes[0], overlap], own[sizes[-1], overlap]
        if small is not large:
            for name in ("next_ms", "submit_ms"):
                ratio = large[name]["p50"] / small[name]["p50"]
                print(f"overlap {overlap}: {name[:-3]} p50 at {sizes[-1]:,} is {ratio:.2f}× that at {sizes[0]:,}")
    rivals = [c for c in saturated if c["side"] != "Plumbline" and (c["tasks"], 1) in own]
    for other in rivals:
        ratio = own[other["tasks"], 1]["labels_per_second"] / other["labels_per_second"]
        print(f"{ratio:.1f}× the labels/s of {other['side']} at {other['tasks']:,} tasks, overlap 1")
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def prepare(folder: Path) -> list[str]:
    """Start the servers, prepare the database, make a project with eight labelers; their tokens."""
    from config.embedded import start_postgres, start_valkey

    os.environ |= {
        "PLUMBLINE_VAR": str(folder),
        "DATABASE_URL": start_postgres(folder),
        "REDIS_URL": start_valkey(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_LEVEL": "WARNING",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from labeling.models import ProjectSetup
    from people.models import Membership, Project, Role, User
    from people.services.tokens import token_create

    project = Project.objects.create(slug="bench", name="Bench")
    ProjectSetup.objects.create(project=project)
    people = [User.objects.create(username=f"labeler{number}") for number in range(LABELERS)]
    Membership.objects.bulk_create(Membership(user=user, project=project, role=Role.LABELER) for user in people)
    return [token_create(user=user).token for user in people]


def texts() -> tuple[str, list[str]]:
    """The prompt and the answers of every task; a number makes each prompt its own."""
    rng = random.Random(0)
    words = ["water", "garden", "letter", "school", "market", "river", "teacher", "story", "because", "usually"]

    def text(length: int) -> str:
        return " ".join(rng.choice(words) for _ in range(length))

    return text(25), [text(40) for _ in range(K)]


def fill(size: int) -> float:
    """Let the project have `size` ranking tasks with K answers each; the seconds it took."""
    from django.db import connection

    from labeling.models import Completion, Prompt, Task, TaskCompletion
    from people.models import Project

    before = time.perf_counter()
    project = Project.objects.get(slug="bench")
    there = Task.objects.count()
    prompt_text, answers = texts()
    prompt = Prompt(project=project, author="bench", split="train", messages=[{"role": "user", "content": ""}])
    series = f"generate_series({there + 1}, {size}) AS s(n)"
    of_prompt = {
        "id": "md5('p' || n)::uuid",
        "external_id": "'p' || n",
        "messages": f"jsonb_build_array(jsonb_build_object('role', 'user', 'content', n || ': {prompt_text}'))",
    }
    answer = f"(ARRAY[{', '.join(repr(text) for text in answers)}])[k + 1]"
    ids = {"prompt_id": "md5('p' || n)::uuid", "id": "md5('c' || n || '-' || k)::uuid"}
    asked = f"{series}, generate_series(0, {K - 1}) AS t(k)"
    with connection.cursor() as cursor:
        for row, given, source in (
            (prompt, of_prompt, series),
            (Completion(), {**ids, "external_id": "'c' || n || '-' || k", "text": answer}, asked),
            (
                Task(project=project, kind=Task.Kind.RANKING),
                {"id": "n", "prompt_id": ids["prompt_id"], "random_key": "floor(random() * 2147483648)::int"},
                series,
            ),
            (
                TaskCompletion(),
                {"id": f"(n - 1) * {K} + k + 1", "task_id": "n", "completion_id": ids["id"], "position": "k"},
                asked,
            ),
        ):
            cursor.execute(*_insert(row, given, source))
        cursor.execute("ANALYZE")
        cursor.execute("CHECKPOINT")
    return round(time.perf_counter() - before, 1)


def _insert(row: Any, given: dict[str, str], source: str) -> tuple[str, list[Any]]:
    """INSERT … SELECT of `source`'s rows: columns are SQL where `given`, else as the unsaved `row` has them."""
    from django.db import connection, models

    columns, values, parameters = [], [], []
    for field in row._meta.concrete_fields:
        if isinstance(field, models.GeneratedField):
            continue
        columns.append(connection.ops.quote_name(field.column))
        if field.column in given:
            values.append(given[field.column].replace("%", "%%"))
        else:
            values.append(f"%s::{field.db_type(connection).split(' ')[0]}")
            value = field.pre_save(row, add=True)
            parameters.append(field.get_db_prep_save(value, connection))
    return (
        f"INSERT INTO {row._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {source}",
        parameters,
    )


def ours(tokens: list[str], overlap: int, seconds: float, think: float) -> dict[str, Any]:
    """Measure the project as it stands at one overlap; labelers think `think` seconds over a label on average.

    Without thinking the eight keep the machine busy all the time, so that a request waits for seven others: that shows
    labels a second. With it, it shows how long a person waits.
    """
    from django.db import connection

    from labeling.models import ProjectSetup

    ProjectSetup.objects.update(overlap=overlap)
    connection.close()
    port = free_port()
    server = serve(port)
    try:
        clients = [Client(port, {"Authorization": f"Token {token}"}) for token in tokens]
        wait_for(clients[0], port)

        def work(number: int, timed: Any) -> bool:
            client = clients[number]
            taken = timed("next", lambda: client.call("POST", NEXT, {"kind": "ranking"}))
            if taken is None or "task" not in taken:
                return False
            ids = [completion["id"] for completion in taken["task"]["completions"]]
            random.shuffle(ids)
            body = {"groups": [[one] for one in ids], "ratings": {one: random.randint(1, 7) for one in ids}}
            path = f"/api/v1/assignments/{taken['id']}/submit/"
            if think:
                time.sleep(random.expovariate(1 / think))
            timed("submit", lambda: client.call("POST", path, body, **{"Idempotency-Key": uuid.uuid4().hex}))
            return True

        pid_file = Path(os.environ["PLUMBLINE_VAR"]) / "postgres" / "postmaster.pid"
        return label_for(seconds, len(clients), work, {"web": server.pid, "database": postmaster(pid_file)})
    finally:
        server.terminate()
        server.wait(20)


def serve(port: int) -> subprocess.Popen[bytes]:
    """The web program of `manage.py up`, alone."""
    from config.programs import programs

    web = programs(sys.executable, host="127.0.0.1", port=port, workers=WORKERS, threads=THREADS)[0]
    log = open(Path(os.environ["PLUMBLINE_VAR"]) / "web.log", "ab")  # noqa: SIM115 - the server's, until it ends
    return subprocess.Popen(web.command, cwd=ROOT, stdout=log, stderr=log)


def wait_for(client: Client, port: int, patience: float = 60.0) -> None:
    """Return once the server answers."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if client.call("GET", "/api/v1/me/")[0] == 200:
                return
        except OSError:
            client.connect(port)
        if time.monotonic() > deadline:
            raise SystemExit("The server did not start; its log is web.log in the scratch folder.")
        time.sleep(0.3)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
