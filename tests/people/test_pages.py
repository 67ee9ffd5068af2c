"""The sign-in page and the first page, by role."""

import pytest

from people.models import Membership, Project, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return Project.objects.create(slug="alpha", name="Alpha project")


@pytest.fixture
def person(project):
    def make(role):
        user = User.objects.create_user(role or "stranger", password="long-enough-7")
        if role:
            Membership.objects.create(user=user, project=project, role=role)
        return user

    return make


def test_a_stranger_is_sent_to_sign_in_and_back(client, person):
    person(None)
    assert client.get("/").headers["Location"] == "/login/?next=/"
    answer = client.post("/login/?next=/api/v1/me/", {"username": "stranger", "password": "long-enough-7"})
    assert answer.headers["Location"] == "/api/v1/me/"


def test_sign_in_never_leaves_the_site(client, person):
    person(None)
    answer = client.post("/login/?next=https://evil.example/", {"username": "stranger", "password": "long-enough-7"})
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_says_so(client, person):
    person(None)
    page = client.post("/login/", {"username": "stranger", "password": "wrong"}).content.decode()
    assert "Please enter a correct username and password" in page


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        ("labeler", ["/label/alpha/next/"], ["/runs/", "/data/alpha/", "/admin/"]),
        ("manager", ["/label/alpha/next/", "/data/alpha/", "/runs/new/"], ["/admin/"]),
        ("engineer", ["/runs/new/"], ["/label/", "/data/alpha/", "/admin/"]),
        ("reviewer", ["/label/alpha/next/", "/runs/"], ["/runs/new/", "/data/alpha/"]),
        (None, ["You are in no project yet"], ["/label/", "/runs/", "/data/"]),
    ],
)
def test_home_shows_what_the_role_can_do(client, person, project, role, shown, hidden):
    from labeling.models import Prompt, Task

    prompt = Prompt.objects.create(
        project=project, external_id="1", messages=[{"role": "user", "content": "?"}], author="a", split="train"
    )
    Task.objects.create(project=project, prompt=prompt, kind="demonstration")
    client.force_login(person(role))
    page = client.get("/").content.decode()
    assert [text for text in shown if text not in page] == []
    assert [text for text in hidden if text in page] == []


def test_signing_out_ends_the_session(client, person):
    client.force_login(person(None))
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302
