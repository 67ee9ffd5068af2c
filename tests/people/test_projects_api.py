"""Projects and members over the API: who may, and what is refused."""

import pytest

from people.models import Membership, Project, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return User.objects.create_user("boss", password="long-enough-7", is_staff=True)


@pytest.fixture
def project(boss):
    project = Project.objects.create(slug="alpha", name="Alpha")
    Membership.objects.create(user=boss, project=project, role="manager")
    return project


@pytest.fixture
def labeler(project):
    user = User.objects.create_user("lea", password="long-enough-7")
    Membership.objects.create(user=user, project=project, role="labeler")
    return user


def post(client, address, **body):
    return client.post(f"/api/v1/{address}", body, content_type="application/json")


def test_staff_make_a_project_and_manage_it(client, boss):
    client.force_login(boss)
    answer = post(client, "projects/", slug="beta", name="Beta")
    assert answer.status_code == 201
    assert answer.json()["slug"] == "beta"
    assert list(Membership.objects.values_list("user__username", "project__slug", "role")) == [
        ("boss", "beta", "manager")
    ]


def test_others_make_none(client, labeler):
    client.force_login(labeler)
    assert post(client, "projects/", slug="beta", name="Beta").status_code == 403
    assert not Project.objects.filter(slug="beta").exists()


@pytest.mark.parametrize(
    ("slug", "reason"),
    [
        ("alpha", "There is already a project 'alpha'."),
        ("no spaces", "slug: Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."),
    ],
)
def test_a_slug_that_cannot_be(client, boss, project, slug, reason):
    client.force_login(boss)
    answer = post(client, "projects/", slug=slug, name="x")
    assert answer.status_code == 400
    assert answer.json() == {"detail": reason}
    assert Project.objects.count() == 1


@pytest.mark.parametrize(
    "name",
    [
        *["turned \u202e around", "isolated \u2067", "two\nlines", "no\u200bwidth", "\u3164", "\u2800"],
        *["\u00ad", "\u200e", "\u034f", "\ufe0f", "\u2061", "\U000e0061", "\u200d \u200d"],  # nothing is seen
    ],
)
def test_a_name_that_would_change_the_words_around_it(client, boss, name):
    client.force_login(boss)
    answer = post(client, "projects/", slug="beta", name=name)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "name: A name is one line without invisible characters."}
    assert not Project.objects.filter(slug="beta").exists()


@pytest.mark.parametrize("name", ["שאלות 3", "می\u200cخواهم", "👩\u200d🚀", "質問\u3000一", "Qualité\u00a0: globale"])
def test_a_name_of_any_script(client, boss, name):
    client.force_login(boss)
    assert post(client, "projects/", slug="beta", name=name).status_code == 201
    assert Project.objects.get(slug="beta").name == name


def test_people_see_their_own_projects(client, project, labeler):
    Project.objects.create(slug="foreign", name="Foreign")
    client.force_login(labeler)
    assert [row["slug"] for row in client.get("/api/v1/projects/").json()["results"]] == ["alpha"]
    assert client.get("/api/v1/projects/alpha/").status_code == 200
    assert client.get("/api/v1/projects/foreign/").status_code == 404


def test_a_manager_brings_a_new_person_in(client, boss, project):
    client.force_login(boss)
    answer = post(
        client, "projects/alpha/members/", username="sim", role="labeler", password="long-enough-7", is_simulated=True
    )
    assert answer.status_code == 201, answer.json()
    assert {**answer.json(), "joined_at": None} == {
        "username": "sim",
        "role": "labeler",
        "cohort": "training",
        "skills": [],
        "is_simulated": True,
        "joined_at": None,
    }
    made = User.objects.get(username="sim")
    assert made.is_simulated
    assert not made.is_staff
    assert made.check_password("long-enough-7")
    names = [row["username"] for row in client.get("/api/v1/projects/alpha/members/").json()["results"]]
    assert names == ["boss", "sim"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"username": "nobody", "role": "labeler"}, "There is no user 'nobody': give a password to make one."),
        (
            {"username": "lea", "role": "reviewer", "password": "long-enough-7"},
            "There is already a user 'lea': leave the password out to add them.",
        ),
        ({"username": "lea", "role": "labeler"}, "'lea' holds this role in the project already."),
        ({"username": "lea", "role": "reviewer", "is_simulated": True}, "'lea' is not a simulated labeler."),
        (
            {"username": "new", "role": "labeler", "password": "short"},
            "This password is too short. It must contain at least 8 characters.",
        ),
        *(
            (
                {"username": name, "role": "labeler", "password": "long-enough-7"},
                "A name is one line without invisible characters.",
            )
            for name in ("lea\u3164", "lea\uffa0", "\u115f")  # letters by Unicode's table, blank by their glyph
        ),
    ],
)
def test_refusals_change_nothing(client, boss, project, labeler, asked, reason):
    client.force_login(boss)
    answer = post(client, "projects/alpha/members/", **asked)
    assert answer.status_code == 400
    assert answer.json() == {"detail": reason}
    assert (User.objects.count(), Membership.objects.count()) == (2, 2)


def test_members_are_for_managers(client, project, labeler):
    client.force_login(labeler)
    assert client.get("/api/v1/projects/alpha/members/").status_code == 403
    assert post(client, "projects/alpha/members/", username="lea", role="manager").status_code == 403
    client.force_login(User.objects.create_user("stranger"))
    assert client.get("/api/v1/projects/alpha/members/").status_code == 404
    assert Membership.objects.filter(user=labeler).count() == 1
