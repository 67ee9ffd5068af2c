"""Addresses that take what a form sends and are no pages: who is signed out there, or opens one, gets a page."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.labeling.work import make_labeler, make_project

pytestmark = pytest.mark.django_db
PAGE = {"Accept": "text/html,application/xhtml+xml"}


def test_signing_in_leads_back_to_the_page_of_the_form():
    client = Client()
    home = {**PAGE, "Referer": "http://testserver/label/?kind=ranking"}
    answer = client.post("/label/everyday/next/", headers=home)
    assert (answer.status_code, answer.url) == (302, "/login/?next=/label/%3Fkind%3Dranking")
    page = client.get(answer.url).content.decode()
    assert "You were signed out, so nothing was sent and nothing changed." in page
    make_labeler(make_project(), "ada", password="plumb the depths")
    signed = client.post(answer.url, {"username": "ada", "password": "plumb the depths"})
    assert signed.url == "/label/?kind=ranking"
    assert client.get(signed.url).status_code == 200


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "https://elsewhere.example/a/",
        "javascript:alert(1)",
        "//elsewhere.example",
        "http://testserver//elsewhere.example/a/",
    ],
)
def test_from_anywhere_else_it_leads_to_the_first_page(referer):
    answer = Client().post("/label/everyday/next/", headers={**PAGE, "Referer": referer})
    assert answer.url == "/login/?next=/"


def test_a_script_is_told_by_the_redirect_alone():
    client = Client()
    answer = client.post("/label/everyday/next/", headers={"Accept": "application/json"})
    assert answer.url == "/login/?next=/"
    assert "You were signed out" not in client.get("/login/").content.decode()


def test_a_page_that_is_read_is_still_the_next_one():
    assert Client().get("/label/history/", headers=PAGE).url == "/login/?next=/label/history/"


@pytest.mark.parametrize("path", ["/label/next/", "/label/everyday/next/", "/label/preview/", "/logout/"])
def test_who_opens_such_an_address_gets_a_page(path):
    client = Client()
    client.force_login(make_labeler(make_project(), "ada"))
    answer = client.get(path, headers=PAGE)
    assert answer.status_code == 405
    assert "This address is not a page" in answer.content.decode()
    assert answer.headers["Allow"] == client.get(path, headers={"Accept": "*/*"}).headers["Allow"] != ""
    assert client.get(path, headers={"Accept": "*/*"}).content == b""
