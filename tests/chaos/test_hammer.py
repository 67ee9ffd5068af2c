"""Eight labelers on few tasks at once, as threads and as processes: no slot beyond what a task wants, no answer lost,
no deadlock, which PostgreSQL would raise. The counts are printed (`pytest -s`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest
from django.conf import settings
from django.db import connection

from labeling.models import Assignment, Demonstration, ProjectSetup, Ranking, Task
from labeling.services.assignments import leases_expire
from people.models import Project
from tests.chaos.hammering import hammer
from tests.labeling.threads import together
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_ranking_task

pytestmark = pytest.mark.django_db(transaction=True)

LABELERS, STEPS, OVERLAP = 8, 60, 3


def few_tasks() -> None:
    """Sixty tasks that want one to four labels, some by themselves, some as the project says, one a dispute away
    from one more.
    """
    project = make_project()
    ProjectSetup.objects.update(overlap=OVERLAP, max_labels=5, agreement_floor=50, open_cap=3)
    project = Project.objects.get(pk=project.pk)
    for number in range(30):
        make_demonstration_task(project, overlap=1 + number % 4)
        make_ranking_task(project, ("a", "b", "c"), overlap=1 + number % 4, priority=number % 2)
    for number in range(LABELERS):
        make_labeler(project, f"labeler{number}")


def check_the_books(how: str, counts: list[Counter[str]]) -> None:
    """What must hold whatever the order of things was."""
    leases_expire()
    total = sum(counts, Counter())
    kept = {"rankings": Ranking, "demonstrations": Demonstration}
    rows = {name: model.objects.count() for name, model in kept.items()}
    rows["extra"] = Assignment.objects.filter(is_extra=True).count()
    print(f"\n{how}: {dict(sorted(total.items()))} left {rows}")
    assert min(total["submit"], total["late"]) > 0  # all of it happened
    for task in Task.objects.all():
        held = task.assignments.filter(state="leased").count()
        labels = task.assignments.filter(state="submitted", is_extra=False).count()
        assert task.taken == held + labels, task
        assert task.taken <= (task.wanted or OVERLAP), task
        assert (task.wanted or OVERLAP) <= 5
    submitted = Assignment.objects.filter(state="submitted")
    assert submitted.count() == total["submit"] + total["late"]  # each answer that was taken is there, once
    assert Ranking.objects.count() + Demonstration.objects.count() == submitted.count()
    assert Ranking.objects.values("assignment").distinct().count() == Ranking.objects.count()


def test_as_threads():
    few_tasks()
    results = together(LABELERS, lambda number: hammer(f"labeler{number}", number, STEPS))
    assert not [result for result in results if isinstance(result, Exception)]
    check_the_books("threads", results)


def test_as_processes():
    few_tasks()
    database = connection.settings_dict["NAME"]
    url = settings.DATABASE_URL.replace("/plumbline?", f"/{database}?")
    assert url != settings.DATABASE_URL
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.hammering", f"labeler{number}", str(100 + number), str(STEPS)],
            env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(LABELERS)
    ]
    counts = []
    for process in started:
        out, error = process.communicate(timeout=240)
        assert process.returncode == 0, error[-2000:]
        counts.append(Counter(json.loads(out)))
    check_the_books("processes", counts)
