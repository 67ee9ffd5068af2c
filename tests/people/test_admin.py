"""The admin of people: superusers see all, managing staff their own projects, others nothing."""

import pytest

from people.models import Membership, Project, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def projects():
    return [Project.objects.create(slug=slug, name=slug.title()) for slug in ("alpha", "beta")]


@pytest.fixture
def manager(projects):
    user = User.objects.create_user("mia", is_staff=True)
    Membership.objects.create(user=user, project=projects[0], role="manager")
    return user


def rows(client):
    answer = client.get("/admin/people/project/")
    assert answer.status_code == 200
    return [project.slug for project in answer.context["cl"].result_list]


def test_superusers_see_every_project(client, projects):
    client.force_login(User.objects.create_superuser("root"))
    assert rows(client) == ["alpha", "beta"]
    assert client.get("/admin/people/user/").status_code == 200
    assert client.get("/admin/people/user/add/").status_code == 200


def test_managing_staff_see_their_own(client, manager, projects):
    client.force_login(manager)
    assert rows(client) == ["alpha"]
    assert client.get(f"/admin/people/project/{projects[0].pk}/change/").status_code == 200
    assert client.get(f"/admin/people/project/{projects[1].pk}/change/").status_code == 302
    assert client.get(f"/admin/people/user/{manager.pk}/change/").status_code in (302, 403)
    assert client.get("/admin/people/user/add/").status_code == 403
    assert client.get(f"/admin/people/project/{projects[0].pk}/delete/").status_code == 403


def test_managing_staff_add_a_member(client, manager, projects):
    lea = User.objects.create_user("lea")
    client.force_login(manager)
    mine = Membership.objects.get()
    answer = client.post(
        f"/admin/people/project/{projects[0].pk}/change/",
        {
            "name": "Alpha",
            "description": "",
            "is_active": "on",
            "memberships-TOTAL_FORMS": "2",
            "memberships-INITIAL_FORMS": "1",
            "memberships-0-id": mine.pk,
            "memberships-0-project": projects[0].pk,
            "memberships-0-user": manager.pk,
            "memberships-0-role": "manager",
            "memberships-0-cohort": "training",
            "memberships-1-project": projects[0].pk,
            "memberships-1-user": lea.pk,
            "memberships-1-role": "labeler",
            "memberships-1-cohort": "held_out",
        },
    )
    assert answer.status_code == 302, answer.context["errors"]
    assert list(lea.memberships.values_list("project__slug", "role", "cohort")) == [("alpha", "labeler", "held_out")]


def test_staff_who_manage_nothing_see_nothing(client, projects):
    client.force_login(User.objects.create_user("sam", is_staff=True))
    assert client.get("/admin/people/project/").status_code == 403


def test_a_superuser_makes_a_user_who_can_sign_in(client):
    client.force_login(User.objects.create_superuser("root"))
    answer = client.post(
        "/admin/people/user/add/",
        {"username": "new", "usable_password": "true", "password1": "long-enough-7", "password2": "long-enough-7"},
    )
    assert answer.status_code == 302, answer.context["errors"]
    assert User.objects.get(username="new").check_password("long-enough-7")
