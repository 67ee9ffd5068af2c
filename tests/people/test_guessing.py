"""Guessing passwords: every way in is counted, by the real address, and a counted-out guess learns nothing."""

import base64

import pytest
from django.core.cache import cache
from rest_framework.settings import api_settings

from people.models import User
from people.throttle import SignInThrottle

pytestmark = pytest.mark.django_db
RIGHT, WRONG = "long-enough-7", "wrong"


@pytest.fixture
def ana():
    return User.objects.create_user("ana", password=RIGHT)


@pytest.fixture
def two_attempts(monkeypatch):
    monkeypatch.setattr(SignInThrottle, "rate", "2/min", raising=False)
    cache.clear()
    yield
    cache.clear()


def guess(client, password, **headers):
    return client.post("/login/", {"username": "ana", "password": password}, **headers)


def ask_token(client, password, **headers):
    secret = base64.b64encode(f"ana:{password}".encode()).decode()
    return client.post("/api/v1/auth/token/", HTTP_AUTHORIZATION=f"Basic {secret}", **headers)


def test_a_refused_page_says_the_same_for_a_right_and_a_wrong_guess(client, ana, two_attempts):
    for _ in range(2):
        guess(client, WRONG)
    for password in (WRONG, RIGHT):
        refused = guess(client, password)
        assert refused.status_code == 429
        page = refused.content.decode()
        assert "Too many attempts from here" in page
        assert "correct username and password" not in page


@pytest.mark.parametrize("attempt", [guess, ask_token])
def test_a_made_up_forwarded_address_counts_as_the_real_one(client, ana, two_attempts, attempt):
    for number in range(2):
        assert attempt(client, WRONG, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}").status_code != 429
    assert attempt(client, RIGHT, HTTP_X_FORWARDED_FOR="10.0.0.9").status_code == 429


def test_behind_a_proxy_the_address_that_the_proxy_saw_counts(client, ana, two_attempts, monkeypatch):
    monkeypatch.setattr(api_settings, "NUM_PROXIES", 1)
    for number in range(2):
        guess(client, WRONG, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}, 192.0.2.1")
    assert guess(client, RIGHT, HTTP_X_FORWARDED_FOR="10.0.0.9, 192.0.2.1").status_code == 429
    assert guess(client, RIGHT, HTTP_X_FORWARDED_FOR="192.0.2.2").status_code == 302


def test_the_admin_has_no_door_of_its_own(client, ana):
    asked = client.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0] == "/login/?next=/admin/"
    posted = client.post("/admin/login/?next=/admin/", {"username": "ana", "password": RIGHT})
    assert posted.headers["Location"] == "/login/?next=/admin/"
    assert "_auth_user_id" not in client.session


def test_who_is_no_staff_is_told_so_at_the_admin(client, ana):
    client.force_login(ana)
    assert client.get("/admin/", follow=True).status_code == 403
    ana.is_staff = True
    ana.save()
    assert client.get("/admin/").status_code == 200


def test_a_live_fragment_whose_session_ended_makes_the_page_ask_to_sign_in(client):
    answer = client.get("/runs/1/live/", headers={"HX-Request": "true"}, follow=True)
    assert answer.headers["HX-Refresh"] == "true"
    assert b"<form" not in answer.content
