"""What a member can judge, and letting a member go: over the API and in the admin."""

import pytest
from rest_framework.test import APIClient

from people.models import Membership, Project, Role, User

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/alpha/members/"


@pytest.fixture
def project():
    return Project.objects.create(slug="alpha", name="Alpha")


@pytest.fixture
def mia(project):
    user = User.objects.create_user("mia", is_staff=True)
    Membership.objects.create(user=user, project=project, role=Role.MANAGER)
    return user


@pytest.fixture
def api(mia):
    client = APIClient()
    client.force_authenticate(mia)
    return client


def test_skills_are_given_with_the_member_and_changed_later(api):
    User.objects.create_user("l.e-a@x+1")
    asked = {"username": "l.e-a@x+1", "role": "labeler", "skills": [" de ", "DE", "contract  law", ""]}
    assert api.post(URL, asked, format="json").json()["skills"] == ["de", "contract law"]
    url = f"{URL}l.e-a@x+1/labeler/"
    changed = api.patch(url, {"skills": ["fr"], "cohort": "held_out"}, format="json")
    assert changed.status_code == 200
    assert (changed.json()["skills"], changed.json()["cohort"]) == (["fr"], "held_out")
    assert api.patch(url, {}, format="json").json()["skills"] == ["fr"]
    assert api.patch(url, {"skills": []}, format="json").json()["skills"] == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"skills": [f"s{n}" for n in range(21)]}, "A member has at most 20 skills; these are 21."),
        ({"skills": ["x" * 41]}, "A skill has at most 40 characters"),
        ({"skills": ["a\x07"]}, "A skill is a word or two"),
        ({"skills": "de"}, "Expected a list of items"),
        ({"cohort": "none"}, "is not a valid choice"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(api, mia, asked, sentence):
    answer = api.patch(f"{URL}mia/manager/", asked, format="json")
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert Membership.objects.get().skills == []


def test_a_member_goes_and_the_only_manager_stays(api, project):
    Membership.objects.create(user=User.objects.create_user("lea"), project=project, role=Role.LABELER)
    assert api.delete(f"{URL}lea/labeler/").status_code == 204
    assert api.delete(f"{URL}lea/labeler/").status_code == 404
    refused = api.delete(f"{URL}mia/manager/")
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("The only manager of a project stays")
    Membership.objects.create(user=User.objects.create_user("max"), project=project, role=Role.MANAGER)
    assert api.delete(f"{URL}mia/manager/").status_code == 204
    assert list(Membership.objects.values_list("user__username", flat=True)) == ["max"]


def test_skills_in_the_admin_are_words_with_commas_between(client, mia, project):
    row = Membership.objects.get()
    client.force_login(mia)
    url = f"/admin/people/project/{project.pk}/change/"
    values = {
        "name": "Alpha",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": row.pk,
        "memberships-0-project": project.pk,
        "memberships-0-role": "manager",
        "memberships-0-cohort": "training",
    }
    assert client.post(url, {**values, "memberships-0-skills": "de, law ,, DE"}).status_code == 302
    row.refresh_from_db()
    assert row.skills == ["de", "law"]
    assert 'value="de, law"' in client.get(url).content.decode()
    refused = client.post(url, {**values, "memberships-0-skills": "x" * 41})
    assert "A skill has at most 40 characters" in refused.content.decode()
    assert client.post(url, {**values, "memberships-0-skills": ""}).status_code == 302
    row.refresh_from_db()
    assert row.skills == []
