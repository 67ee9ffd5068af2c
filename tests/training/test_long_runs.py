"""A run of many steps costs those who watch it no more than a short one."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from training.models import Metric
from training.selectors import curves

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(make_run):
    return make_run(name="Long")


def report_many(run, kind, steps, first_line):
    """One row a step from 1, whose loss is the step."""
    Metric.objects.bulk_create(
        Metric(run=run, line=first_line + step, type=kind, step=step, values={"loss": step}, time="2026-01-02T00:00Z")
        for step in range(1, steps + 1)
    )


def test_a_long_runs_page_reads_few_of_its_rows_and_always_the_ends(run, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "line_chart", lambda title, series, planned: drawn.append((title, series)))
    report_many(run, "metrics", 4000, 0)
    report_many(run, "eval", 3, 4000)
    curves.run_charts(run)
    training, validation = drawn[0][1]
    # Every tenth of 4,000 and the first: 1, 10, 20, …, 4000.
    assert training.points == [(step, float(step)) for step in (1, *range(10, 4001, 10))]
    assert validation.points == [(1, 1.0), (2, 2.0), (3, 3.0)]


@pytest.mark.parametrize("steps", [1, 399, 400, 401, 799, 1001])
def test_the_rows_that_are_read_are_bounded_and_end_with_the_last(run, steps):
    report_many(run, "metrics", steps, 0)
    read = [step for step, _ in curves._reported(run)["metrics"]]
    assert (read[0], read[-1]) == (1, steps)
    assert len(read) == steps if steps <= 400 else 400 <= len(read) <= 401
    assert read == sorted(set(read))


def test_a_poll_costs_as_many_queries_for_a_long_run_as_for_a_short_one(client, people, run):
    client.force_login(people.engineer)

    def poll():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/runs/{run.pk}/live/").status_code == 200
        return len(queries)

    report_many(run, "metrics", 2, 0)
    poll()
    short = poll()
    report_many(run, "sample", 60, 10)
    report_many(run, "eval", 900, 1000)
    assert poll() == short
    assert short <= 16


def test_metrics_come_at_most_5000_at_a_time(client, people, run, django_assert_num_queries):
    report_many(run, "metrics", 5003, 0)
    client.force_login(people.engineer)
    first = [m["line"] for m in client.get(f"/api/v1/runs/{run.pk}/metrics/").json()]
    assert (first[0], first[-1], len(first)) == (1, 5000, 5000)
    with django_assert_num_queries(5):  # the session, the person, the run, the role, the lines
        rest = client.get(f"/api/v1/runs/{run.pk}/metrics/?after={first[-1]}").json()
    assert [m["line"] for m in rest] == [5001, 5002, 5003]
