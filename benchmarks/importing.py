"""A million plain prompts through the real import: prompts a second and the worker's memory.

    python -m benchmarks.importing                  1,000,000 prompts into an empty project
    python -m benchmarks.importing --prompts 10000

Starts a PostgreSQL and a Valkey of its own in a scratch folder, prepares the database, writes a file of generated
JSON lines (no id, no author: what people have most), and runs the job that the upload queues, in this process, as the
worker would. Prints a table and writes var/bench/importing.json. Fails below 8,000 prompts a second or above 300 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEAST_RATE = 8_000  # prompts a second
MOST_MEMORY = 300  # MiB
WORDS = (  # noqa: SIM905 - a list of words is read as words
    "explain write list compare summarise name describe translate plan why how what water light school winter letter "
    "recipe train story friend market garden engine music river answer question number teacher holiday paper"
).split()


def main() -> int:
    """Measure, print, write the JSON; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=1_000_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="plumbline-bench-"))
    try:
        measured = measure(folder, options.prompts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out = ROOT / "var" / "bench" / "importing.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=1) + "\n")
    print("| prompts | file | seconds | prompts/s | tasks opened | peak memory | CPU worker + database |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(
        f"| {measured['prompts']:,} | {measured['file_mib']:.0f} MiB | {measured['seconds']:.1f} "
        f"| {measured['rate']:,.0f} | {measured['tasks']:,} | {measured['memory_mib']:.0f} MiB "
        f"| {measured['worker_cpu']:.0f} + {measured['database_cpu']:.0f} s |"
    )
    print(f"load of the machine before: {measured['load_before']:.1f} on {measured['cores']} cores")
    return 0 if measured["rate"] >= LEAST_RATE and measured["memory_mib"] <= MOST_MEMORY else 1


def measure(folder: Path, count: int) -> dict[str, float]:
    """Import `count` generated prompts on servers in `folder`."""
    from config.embedded import start_postgres, start_valkey, stop_postgres

    os.environ |= {
        "PLUMBLINE_VAR": str(folder),
        "DATABASE_URL": start_postgres(folder),
        "REDIS_URL": start_valkey(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    import django

    django.setup()
    try:
        return _measured(folder, count)
    finally:
        from django.db import connection

        connection.close()
        stop_postgres(folder)


def _measured(folder: Path, count: int) -> dict[str, float]:
    from django.core.files.uploadedfile import TemporaryUploadedFile
    from django.core.management import call_command

    from labeling.models import Prompt, Task
    from labeling.services.imports import import_create, import_execute
    from people.models import Project

    call_command("migrate", verbosity=0)
    project = Project.objects.create(slug="bench", name="Bench")
    upload = TemporaryUploadedFile("prompts.jsonl", "application/jsonl", 0, "utf-8")
    write_prompts(Path(upload.temporary_file_path()), count)
    upload.size = size = os.path.getsize(upload.temporary_file_path())
    job = import_create(project=project, upload=upload, format="prompts", on_error="abort", user=None)
    load = os.getloadavg()[0]
    began, busy, at_work = time.monotonic(), time.process_time(), database_seconds(folder)
    import_execute(import_id=job.pk)
    seconds, busy = time.monotonic() - began, time.process_time() - busy
    job.refresh_from_db()
    if job.state != "done" or Prompt.objects.count() != count:
        raise SystemExit(f"The import ended as {job.state}: {job.error}")
    return {
        "prompts": count,
        "file_mib": size / 2**20,
        "seconds": seconds,
        "rate": count / seconds,
        "worker_cpu": busy,
        "database_cpu": database_seconds(folder) - at_work,
        "tasks": Task.objects.count(),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "load_before": load,
        "cores": os.cpu_count() or 1,
    }


def database_seconds(folder: Path) -> float:
    """Processor time of PostgreSQL and of the processes that it has now."""
    import psutil

    server = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]))
    times = [process.cpu_times() for process in (server, *server.children())]
    return sum(time.user + time.system for time in times)


def write_prompts(path: Path, count: int) -> None:
    """JSON lines of 8 to 60 words, each different from all others."""
    rng = random.Random(1)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            words = " ".join(rng.choices(WORDS, k=rng.randint(8, 60)))
            stream.write(json.dumps({"prompt": f"{number}: {words}?", "language": "en"}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
