"""An address that there is not: a page to a person, the API's kind of error to a program."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/v1/nothing/", "/api/", "/api/v2/projects/"])
def test_a_program_is_told_as_by_every_other_error_of_the_api(client, path):
    answer = client.post(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert answer.json() == {"detail": "There is no such address; /api/v1/docs/ lists what there is."}


def test_a_person_gets_a_page(client):
    answer = client.get("/nothing/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
    assert "To the first page" in answer.content.decode()


def test_a_slash_that_was_left_out_is_still_added(client):
    assert client.get("/api/v1/docs").status_code == 301
