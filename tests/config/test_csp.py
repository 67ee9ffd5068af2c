"""Which page has which content security policy."""

import pytest

pytestmark = pytest.mark.django_db


def directives(response):
    parts = (part.split() for part in response.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, *sources in parts}


@pytest.mark.parametrize("path", ["/", "/login/", "/nowhere/", "/api/v1/me/"])
def test_our_answers_allow_our_own_files_alone(client, path):
    policy = directives(client.get(path))
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]


@pytest.mark.parametrize("path", ["/admin/", "/api/v1/docs/"])
def test_other_peoples_pages_allow_no_other_host_either(client, path):
    policy = directives(client.get(path))
    known = {"'none'", "'self'", "'unsafe-inline'", "'unsafe-eval'", "data:"}
    assert {source for sources in policy.values() for source in sources} <= known
    assert policy["script-src"] != ["'self'"]
