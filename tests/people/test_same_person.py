"""Whose page it was that sends something: worked out for each kind of sender."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.labeling.work import make_labeler, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed_in():
    """Ada, and a browser where she is signed in."""
    ada = make_labeler(make_project(), "ada")
    client = Client()
    client.force_login(ada)
    return ada, client


def test_what_anothers_page_sends_is_refused_and_does_nothing(signed_in):
    ada, client = signed_in
    answer = client.post("/logout/", headers={"X-Person": str(ada.pk + 1)})
    assert (answer.status_code, answer.content) == (409, b"Somebody else is signed in now.\n")
    assert client.get("/label/").status_code == 200  # still signed in


def test_what_the_persons_own_page_sends_is_taken(signed_in):
    ada, client = signed_in
    assert client.post("/logout/", headers={"X-Person": str(ada.pk)}).status_code == 302
    assert client.get("/label/").status_code == 302


def test_reading_is_not_refused(signed_in):
    ada, client = signed_in
    assert client.get("/label/", headers={"X-Person": str(ada.pk + 1)}).status_code == 200


def test_who_is_signed_out_is_asked_to_sign_in(signed_in):
    answer = Client().post("/label/everyday/next/", headers={"X-Person": str(signed_in[0].pk)})
    assert (answer.status_code, answer.url) == (302, "/login/?next=/")
