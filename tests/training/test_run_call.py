"""Calling a worker happens after the transaction, and a broker that is away is no error of the page."""

from __future__ import annotations

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from people.models import Project
from training import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_is_called_when_the_run_can_be_seen(monkeypatch):
    called = []
    monkeypatch.setattr(tasks.run_execute, "delay", called.append)
    with transaction.atomic():
        tasks.run_call(7)
        assert called == []
    assert called == [7]


def test_a_broker_that_is_away_does_not_break_the_commit(monkeypatch):
    asked = []

    def away(run_id: int) -> None:
        asked.append(run_id)
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.run_execute, "delay", away)
    with transaction.atomic():
        Project.objects.create(slug="kept", name="Kept")
        tasks.run_call(7)
    assert asked == [7]
    assert Project.objects.filter(slug="kept").exists()
