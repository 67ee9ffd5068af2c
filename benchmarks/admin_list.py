"""The admin's list of tasks at a million rows: how long a page takes, with and without filters.

    python -m benchmarks.admin_list                1,000,000 tasks in two projects
    python -m benchmarks.admin_list --tasks 10000

Starts a PostgreSQL of its own in a scratch folder, fills it by COPY and asks the admin's page, in this process, as a
superuser and as the manager of the smaller project. Prints a table and writes var/bench/admin_list.json. Fails where a
page takes more than 300 ms (the median of the repeats).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST = 0.300  # seconds a page
REPEATS = 7
URL = "/admin/labeling/task/"


def main() -> int:
    """Measure, print, write the JSON; 1 where a page takes too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1_000_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="plumbline-bench-"))
    try:
        measured = measure(folder, options.tasks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    out = ROOT / "var" / "bench" / "admin_list.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=1) + "\n")
    print(f"{options.tasks:,} tasks; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("| page | who | queries | median ms | slowest ms |")
    print("| --- | --- | ---: | ---: | ---: |")
    for row in measured:
        print(
            f"| {row['page']} | {row['who']} | {row['queries']} | {1000 * row['median']:.0f} "
            f"| {1000 * row['slowest']:.0f} |"
        )
    return 0 if all(row["median"] <= MOST for row in measured) else 1


def measure(folder: Path, count: int) -> list[dict[str, float | str]]:
    """Fill a database in `folder` and time the pages."""
    from config.embedded import start_postgres, stop_postgres

    os.environ |= {
        "PLUMBLINE_VAR": str(folder),
        "DATABASE_URL": start_postgres(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ALLOWED_HOSTS": "testserver",
    }
    import django

    django.setup()
    from django.db import connection

    try:
        return _measured(count)
    finally:
        connection.close()
        stop_postgres(folder)


def _measured(count: int) -> list[dict[str, float | str]]:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from labeling.models import ProjectSetup
    from people.models import Membership, Project, Role, User

    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    call_command("migrate", verbosity=0)
    big, small = (Project.objects.create(slug=slug, name=slug.title()) for slug in ("big", "small"))
    for project in (big, small):
        ProjectSetup.objects.create(project=project)
    manager = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=manager, project=small, role=Role.MANAGER)
    fill(big.pk, small.pk, count)
    found: list[dict[str, float | str]] = []
    for user in (User.objects.create_superuser("root"), manager):
        client = Client()
        client.force_login(user)
        for page in (
            "",
            f"?project__id__exact={small.pk}",
            "?kind__exact=ranking",
            "?kind__exact=evaluation",
            "?stands=fresh",
            "?stands=begun",
            "?stands=full",
            "?stands=withdrawn",
            f"?project__id__exact={small.pk}&kind__exact=demonstration&stands=begun",
            "?p=15",
            f"?q={count // 2}",
            "?q=nothing-like-it",
        ):
            taken = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                answer = client.get(URL + page)
                taken.append(time.perf_counter() - began)
                if answer.status_code != 200:
                    raise SystemExit(f"{page} answered {answer.status_code}")
            with CaptureQueriesContext(connection) as queries:
                client.get(URL + page)
            found.append(
                {
                    "page": page or "all",
                    "who": user.username,
                    "queries": len(queries),
                    "median": statistics.median(taken),
                    "slowest": max(taken),
                }
            )
    return found


def fill(big: int, small: int, count: int) -> None:
    """Prompts and tasks: one in twenty in the small project, spread among the others; a tenth begun or done."""
    from django.db import connection

    prompts, tasks = io.StringIO(), io.StringIO()
    for number in range(count):
        key, project = uuid.UUID(int=number), small if number % 20 == 0 else big
        kind = "demonstration" if number % 3 == 0 else "ranking"
        gone = "2026-01-01" if number % 1000 == 7 else "\\N"
        prompts.write(
            f'{key}\t{project}\tp{number}\t[{{"role": "user", "content": "How does {number} work?"}}]\t'
            f"a{number % 5000}\ttrain\n"
        )
        tasks.write(f"{project}\t{key}\t{kind}\t0\t{number}\t{'1' if number % 10 == 0 else '0'}\t{gone}\n")
    with connection.cursor() as cursor:
        for table, columns, rows in (
            ("labeling_prompt", "id, project_id, external_id, messages, author, split", prompts),
            ("labeling_task", "project_id, prompt_id, kind, priority, random_key, taken, withdrawn_at", tasks),
        ):
            cursor.execute(f"CREATE TEMPORARY TABLE filled (LIKE {table} INCLUDING DEFAULTS INCLUDING IDENTITY)")
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO' "
                "AND column_default IS NULL AND is_identity = 'NO'",
                [table],
            )
            named = set(columns.split(", "))
            for (column,) in cursor.fetchall():
                if column not in named:
                    cursor.execute(f"ALTER TABLE filled ALTER COLUMN {column} SET DEFAULT {_default(column)}")
            rows.seek(0)
            cursor.copy_expert(f"COPY filled ({columns}) FROM STDIN", rows)
            cursor.execute(f"INSERT INTO {table} OVERRIDING USER VALUE SELECT * FROM filled")
            cursor.execute("DROP TABLE filled")
        cursor.execute("ANALYZE labeling_prompt, labeling_task")


def _default(column: str) -> str:
    """A value for a column that this benchmark does not care about."""
    return {"created_at": "now()", "is_shared": "true", "lane": "'training'"}.get(column, "''")


if __name__ == "__main__":
    sys.exit(main())
