"""Scopes of tokens: what a token may do of what its person may do, asked before every view of the API."""

import base64
import importlib
import json
from datetime import date, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import get_resolver
from django.utils import timezone

from people.api.schema import names_by_path
from people.api.scopes import NEEDS, TokenAllows
from people.models import AccessToken, Membership, Project, Role, Scope, User
from people.refusals import Refused
from people.services.tokens import LIVE_MAX, token_create, token_used, tokens_of

pytestmark = pytest.mark.django_db

UNGUARDED = {"api-schema", "api-docs"}  # the API's own description, which is no data


@pytest.fixture
def mia():
    user = User.objects.create_user("mia", password="long-enough-7")
    project = Project.objects.create(slug="alpha", name="Alpha")
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    return user


def bearer(user, *scopes):
    return {"HTTP_AUTHORIZATION": f"Token {token_create(user=user, scopes=scopes or None).token}"}


def basic(name, password):
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def views():
    """Each address of the API by name, with its view's class."""
    found = {}

    def walk(patterns):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns)
            elif (pattern.name or "").startswith("api-"):
                found[pattern.name] = pattern.callback.cls

    walk(get_resolver().url_patterns)
    return found


def test_every_address_of_the_api_has_its_scopes():
    assert set(names_by_path().values()) - UNGUARDED == set(NEEDS)


def test_every_view_of_the_api_asks_for_them():
    assert {name for name, view in views().items() if TokenAllows not in view.permission_classes} == UNGUARDED


def test_a_misspelt_field_makes_no_token_of_every_scope(client, mia):
    basic = "Basic " + base64.b64encode(b"mia:long-enough-7").decode()
    answer = client.post(
        "/api/v1/auth/token/", {"scope": ["read"]}, content_type="application/json", HTTP_AUTHORIZATION=basic
    )
    assert answer.status_code == 400
    assert answer.json() == {"scope": ["There is no such field; there are scopes, name, days."]}
    assert not AccessToken.objects.exists()


def test_every_scope_opens_something_to_write():
    assert set().union(*(needs.writing for needs in NEEDS.values())) == set(Scope)


def test_who_may_write_with_a_token_may_read_with_it():
    assert all(needs.writing <= needs.reading for needs in NEEDS.values())


def test_a_token_without_the_scope_is_refused_with_the_scope_it_would_take(client, mia):
    reads = bearer(mia, "read")
    url = "/api/v1/projects/alpha/setup/"
    assert client.get(url, **reads).status_code == 200
    refused = client.put(url, {"overlap": 3}, content_type="application/json", **reads)
    assert refused.status_code == 403
    assert refused.json() == {"detail": 'This token may not do that; it takes one with the scope "manage".'}
    assert client.put(url, {"overlap": 3}, content_type="application/json", **bearer(mia, "manage")).status_code == 200
    assert client.put(url, {"overlap": 2}, content_type="application/json", **bearer(mia)).status_code == 200


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("read", {"members": 200, "snapshots": 200, "imports": 200}),
        ("label", {"members": 403, "snapshots": 403, "imports": 403}),
        ("review", {"members": 403, "snapshots": 200, "imports": 403}),
        ("train", {"members": 403, "snapshots": 200, "imports": 403}),
        ("manage", {"members": 200, "snapshots": 200, "imports": 200}),
    ],
)
def test_what_each_scope_reads_of_a_project(client, mia, scope, expected):
    headers = bearer(mia, scope)
    found = {name: client.get(f"/api/v1/projects/alpha/{name}/", **headers).status_code for name in expected}
    assert found == expected


def test_a_token_does_no_more_than_its_person(client, mia):
    labeler = User.objects.create_user("lea")
    Membership.objects.create(user=labeler, project=Project.objects.get(), role=Role.LABELER)
    every = bearer(labeler)
    assert client.get("/api/v1/projects/alpha/setup/", **every).status_code == 200
    refused = client.put("/api/v1/projects/alpha/setup/", {"overlap": 3}, content_type="application/json", **every)
    assert refused.status_code == 403
    assert refused.json() == {"detail": "Your role in this project does not allow this."}


def test_an_address_that_the_table_forgot_opens_to_no_token(client, mia, monkeypatch):
    monkeypatch.delitem(NEEDS, "api-setup")
    assert client.get("/api/v1/projects/alpha/setup/", **bearer(mia)).status_code == 403
    client.force_login(mia)
    assert client.get("/api/v1/projects/alpha/setup/").status_code == 200


def test_a_token_is_asked_for_with_scopes_name_and_days(client, mia):
    asked = {"scopes": ["label", "read"], "name": " My  robot ", "days": 7}
    answer = client.post(
        "/api/v1/auth/token/", asked, content_type="application/json", **basic("mia", "long-enough-7")
    )
    assert answer.status_code == 201
    assert answer.json()["scopes"] == ["read", "label"]
    row = AccessToken.objects.get()
    assert (row.name, row.scopes) == ("My robot", ["read", "label"])
    assert timedelta(days=6, hours=23) < row.expiry - timezone.now() <= timedelta(days=7)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"scopes": ["dance"]}, '\\"dance\\" is not a valid choice.'),
        ({"scopes": []}, "A token without a scope opens nothing: name at least one."),
        ({"scopes": "label"}, 'Expected a list of items but got type \\"str\\".'),
        ({"days": 0}, "greater than or equal to 1"),
        ({"days": 91}, "less than or equal to 90"),
        ({"name": "x" * 81}, "no more than 80 characters"),
        ({"name": "a\x07b"}, "at most 80 characters, none of them invisible"),
    ],
)
def test_a_token_that_cannot_be_is_refused_and_none_is_made(client, mia, asked, sentence):
    answer = client.post(
        "/api/v1/auth/token/", asked, content_type="application/json", **basic("mia", "long-enough-7")
    )
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert not AccessToken.objects.exists()


def test_one_person_has_twenty_tokens_that_are_alive(mia):
    AccessToken.objects.create(user=mia, expiry=timedelta(hours=-1))
    for _ in range(LIVE_MAX):
        token_create(user=mia)
    with pytest.raises(Refused, match="You have 20 tokens, as many as one person may"):
        token_create(user=mia)
    tokens_of(mia).first().delete()
    token_create(user=mia)
    token_create(user=User.objects.create_user("ben"))


def test_the_owner_lists_and_revokes_with_a_password_and_no_token_does(client, mia):
    keys = basic("mia", "long-enough-7")
    made = bearer(mia, "read")
    token_create(user=User.objects.create_user("ben"))
    rows = client.get("/api/v1/auth/tokens/", **keys).json()["results"]
    assert [set(row) for row in rows] == [{"handle", "name", "scopes", "created", "expiry", "used_on"}]
    assert client.get("/api/v1/auth/tokens/", **made).status_code == 401
    url = f"/api/v1/auth/tokens/{rows[0]['handle']}/"
    assert client.delete(url, **made).status_code == 401
    assert client.delete(url, **basic("mia", "wrong")).status_code == 401
    assert client.delete(url, **keys).status_code == 204
    assert client.delete(url, **keys).status_code == 404
    assert client.get("/api/v1/me/", **made).status_code == 401
    assert AccessToken.objects.count() == 1


def test_a_token_opens_the_api_with_one_query_and_notes_the_day_once(client, mia, django_assert_num_queries):
    headers = bearer(mia)
    for _ in range(3):
        token_create(user=mia)
    client.get("/api/v1/me/", **headers)
    row = AccessToken.objects.exclude(used_on=None).get()
    assert row.used_on == timezone.localdate()
    with django_assert_num_queries(2):  # the token with its person, and the memberships
        client.get("/api/v1/me/", **headers)
    AccessToken.objects.filter(pk=row.pk).update(used_on=date(2020, 2, 29))
    row.refresh_from_db()
    with django_assert_num_queries(1):
        token_used(token=row)
    row.refresh_from_db()
    with django_assert_num_queries(0):
        token_used(token=row)


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token \xff\xfe", "Token " + "x" * 5000, "Token pl_\x00"])
def test_a_header_that_is_no_token_is_refused(client, mia, header):
    assert client.get("/api/v1/me/", HTTP_AUTHORIZATION=header).status_code == 401


def test_an_expired_token_opens_nothing(client, mia):
    _, token = AccessToken.objects.create(user=mia, expiry=timedelta(seconds=-1))
    answer = client.get("/api/v1/me/", HTTP_AUTHORIZATION=f"Token {token}")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "The token is unknown, revoked or expired; make a new one."}


def test_the_documentation_names_the_scopes(tmp_path):
    call_command("spectacular", file=str(tmp_path / "schema.json"), format="openapi-json")
    schema = json.loads((tmp_path / "schema.json").read_text())
    put = schema["paths"]["/api/v1/projects/{slug}/setup/"]["put"]
    assert put["x-scopes"] == ["manage"]
    assert put["description"].endswith('A token needs the scope "manage".')
    silent = [
        (path, method)
        for path, methods in schema["paths"].items()
        for method, said in methods.items()
        if not said["x-scopes"]
    ]
    assert silent == []


def test_tokens_of_the_former_table_go_on(mia):
    migration = importlib.import_module("people.migrations.0003_access_tokens")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE knox_authtoken (digest varchar(128) PRIMARY KEY, token_key varchar(25),"
            " created timestamptz, expiry timestamptz, user_id bigint)"
        )
        cursor.execute("INSERT INTO knox_authtoken VALUES ('d', 'pl_1', now(), NULL, %s)", [mia.pk])
        cursor.execute(migration.MOVE)
        cursor.execute(migration.MOVE)  # where the table is gone, nothing is done
        cursor.execute("SELECT to_regclass('knox_authtoken')")
        assert cursor.fetchone() == (None,)
    row = AccessToken.objects.get()
    assert (row.user, row.digest, row.scopes, row.expiry) == (mia, "d", list(Scope.values), None)


def test_the_page_makes_a_token_shows_it_once_and_revokes_it(client, mia):
    client.force_login(mia)
    url = "/account/tokens/"
    assert "You have no token yet." in client.get(url).content.decode()
    made = client.post(url, {"name": "<b>nightly</b>", "scopes": ["read", "manage"], "days": "30"})
    assert made.status_code == 201
    assert made.headers["Cache-Control"].startswith("max-age=0")
    token = made.context["made"].token
    page = made.content.decode()
    assert token in page
    assert "<b>nightly" not in page
    assert token not in client.get(url).content.decode()
    row = AccessToken.objects.get()
    assert row.scopes == ["read", "manage"]
    assert timedelta(days=29) < row.expiry - timezone.now() <= timedelta(days=30)
    assert client.get("/api/v1/me/", HTTP_AUTHORIZATION=f"Token {token}").status_code == 200
    answer = client.post(f"/account/tokens/{row.handle}/revoke/", follow=True)
    assert "was revoked and opens nothing any more." in answer.content.decode()
    assert client.get("/api/v1/me/", HTTP_AUTHORIZATION=f"Token {token}").status_code == 401


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"scopes": []}, "A token without a scope opens nothing"),
        ({"scopes": ["dance"]}, "There is no scope &#x27;dance&#x27;"),
        ({"scopes": ["read"], "name": "x" * 81}, "at most 80 characters"),
        ({"scopes": ["read"], "days": "99999"}, "A token is good for 1 to 90 days."),
        ({"scopes": ["read"], "days": "0"}, "A token is good for 1 to 90 days."),
    ],
)
def test_the_page_says_why_no_token_was_made_and_keeps_what_was_typed(client, mia, asked, sentence):
    client.force_login(mia)
    answer = client.post("/account/tokens/", {"name": "kept words", **asked})
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert asked.get("name", "kept words") in answer.content.decode()
    assert not AccessToken.objects.exists()


def test_the_page_says_which_scopes_no_role_uses(client):
    lea = User.objects.create_user("lea")
    Membership.objects.create(user=lea, project=Project.objects.create(slug="a", name="A"), role=Role.LABELER)
    client.force_login(lea)
    choices = client.get("/account/tokens/").context["choices"]
    assert {choice["value"] for choice in choices if choice["unused"]} == {"review", "manage", "train"}


def test_superusers_revoke_tokens_in_the_admin_and_managers_see_none(client, mia):
    token_create(user=mia, name="leaked")
    row = AccessToken.objects.get()
    mia.is_staff = True
    mia.save()
    client.force_login(mia)
    assert client.get("/admin/people/accesstoken/").status_code == 403
    client.force_login(User.objects.create_superuser("root"))
    assert "leaked" in client.get("/admin/people/accesstoken/").content.decode()
    assert client.get("/admin/people/accesstoken/add/").status_code == 403
    assert client.post(f"/admin/people/accesstoken/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not AccessToken.objects.exists()
