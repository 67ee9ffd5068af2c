"""The embedded servers are real: a query and a command go through their sockets."""

import pytest
import redis
from django.conf import settings
from django.db import connection


@pytest.mark.django_db
def test_postgres_answers_over_its_socket():
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 180000


def test_valkey_keeps_a_value():
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.set("plumbline-test", "7", ex=5)
    assert client.get("plumbline-test") == b"7"
