"""Signing in to the API: a password makes a token, only its hash is kept, guesses are counted."""

import base64
from datetime import timedelta

import pytest
from django.core.cache import cache

from people.models import AccessToken, User
from people.services.tokens import tokens_delete_expired
from people.throttle import SignInThrottle

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana():
    return User.objects.create_user("ana", password="long-enough-7")


def basic(name, password):
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token):
    return {"HTTP_AUTHORIZATION": f"Token {token}"}


def sign_in(client, password="long-enough-7"):
    return client.post("/api/v1/auth/token/", **basic("ana", password))


def test_a_password_makes_a_token_that_opens_the_api(client, ana):
    answer = sign_in(client)
    assert answer.status_code == 201
    assert set(answer.json()) == {"token", "expiry", "scopes"}
    token = answer.json()["token"]
    assert token.startswith("pl_")
    me = client.get("/api/v1/me/", **bearer(token))
    assert me.json() == {"username": "ana", "is_superuser": False, "is_simulated": False, "memberships": []}


def test_only_a_hash_of_the_token_is_kept(client, ana):
    token = sign_in(client).json()["token"]
    row = AccessToken.objects.get()
    assert token not in row.digest
    assert len(row.token_key) < len(token) / 2


def test_a_wrong_password_makes_nothing(client, ana):
    assert sign_in(client, "wrong").status_code == 401
    assert not AccessToken.objects.exists()


def test_a_token_revokes_itself(client, ana):
    first, second = (sign_in(client).json()["token"] for _ in range(2))
    assert client.delete("/api/v1/auth/token/", **bearer(first)).status_code == 204
    assert client.get("/api/v1/me/", **bearer(first)).status_code == 401
    assert client.get("/api/v1/me/", **bearer(second)).status_code == 200


def test_a_token_cannot_make_another_one(client, ana):
    token = sign_in(client).json()["token"]
    assert client.post("/api/v1/auth/token/", **bearer(token)).status_code == 401


def test_a_user_who_was_deactivated_gets_nothing(client, ana):
    token = sign_in(client).json()["token"]
    User.objects.update(is_active=False)
    assert sign_in(client).status_code == 401
    assert client.get("/api/v1/me/", **bearer(token)).status_code == 401


def test_expired_tokens_are_deleted_at_once(ana, django_assert_num_queries):
    for hours in (-2, -1, 1, None):
        AccessToken.objects.create(user=ana, expiry=None if hours is None else timedelta(hours=hours))
    with django_assert_num_queries(1):
        assert tokens_delete_expired() == 2
    assert AccessToken.objects.count() == 2


@pytest.fixture
def three_attempts(monkeypatch):
    monkeypatch.setattr(SignInThrottle, "rate", "3/min", raising=False)
    cache.delete("sign-in-127.0.0.1")
    yield
    cache.delete("sign-in-127.0.0.1")


def test_the_fourth_guess_is_refused_even_when_it_is_right(client, ana, three_attempts):
    assert [sign_in(client, "wrong").status_code for _ in range(3)] == [401, 401, 401]
    assert sign_in(client).status_code == 429


def test_the_page_and_the_api_count_together(client, ana, three_attempts):
    assert [sign_in(client, "wrong").status_code for _ in range(2)] == [401, 401]
    wrong = client.post("/login/", {"username": "ana", "password": "wrong"})
    assert wrong.status_code == 200
    refused = client.post("/login/", {"username": "ana", "password": "long-enough-7"})
    assert refused.status_code == 429
    assert "Too many attempts from here" in refused.content.decode()
    assert "_auth_user_id" not in client.session
