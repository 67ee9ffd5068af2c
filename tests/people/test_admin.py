"""The admin of people: superusers see all, managing staff their own projects, others nothing."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

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


def test_managing_staff_are_told_of_no_user_of_other_projects(client, manager, projects):
    someone = User.objects.create_user("someone-else", email="secret@example.org")
    Membership.objects.create(user=someone, project=projects[1], role="labeler")
    client.force_login(manager)
    field = {"app_label": "people", "model_name": "membership", "field_name": "user", "term": ""}
    for address, query in [
        ("/admin/people/user/", {}),
        ("/admin/people/user/", {"q": "someone"}),
        (f"/admin/people/user/{someone.pk}/change/", {}),
        (f"/admin/people/user/{someone.pk}/delete/", {}),
        (f"/admin/people/user/{someone.pk}/history/", {}),
        (f"/admin/people/user/{someone.pk}/password/", {}),
        ("/admin/autocomplete/", field),
        (f"/admin/people/project/{projects[0].pk}/change/", {}),
    ]:
        answer = client.get(address, query)
        assert answer.status_code == (200 if address.startswith("/admin/people/project/") else 403), address
        assert "someone-else" not in answer.content.decode()
    permissions = Permission.objects.filter(content_type__app_label="people", content_type__model="user")
    manager.user_permissions.set(permissions)  # granted by hand, it still is for superusers alone
    assert client.get("/admin/people/user/").status_code == 403
    assert client.get(f"/admin/people/user/{someone.pk}/change/").status_code == 403


def test_a_member_who_does_not_exist_is_the_forms_error(client, manager, projects):
    User.objects.create_user("gone", is_active=False)
    client.force_login(manager)
    url = f"/admin/people/project/{projects[0].pk}/change/"
    for name in ("nobody", "gone", str(manager.pk)):
        answer = client.post(url, {**members(name), "name": "Alpha"})
        assert answer.status_code == 200
        assert "There is no active user of this name." in answer.content.decode()
    assert Membership.objects.count() == 1


def members(name):
    """The inline's fields for one who is there and one who is added."""
    mine = Membership.objects.get()
    return {
        "memberships-TOTAL_FORMS": "2",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": mine.pk,
        "memberships-0-project": mine.project_id,
        "memberships-0-role": "manager",
        "memberships-0-cohort": "training",
        "memberships-1-project": mine.project_id,
        "memberships-1-user": name,
        "memberships-1-role": "labeler",
        "memberships-1-cohort": "training",
    }


def test_a_member_stays_who_it_is(client, manager, projects):
    User.objects.create_user("lea")
    client.force_login(manager)
    url = f"/admin/people/project/{projects[0].pk}/change/"
    given = {**members(""), "memberships-TOTAL_FORMS": "1", "memberships-0-user": "lea", "name": "Alpha"}
    assert client.post(url, given).status_code == 302
    assert Membership.objects.get().user == manager


def test_the_members_of_a_project_are_read_at_once(client, manager, projects):
    client.force_login(manager)

    def page():
        with CaptureQueriesContext(connection) as queries:
            content = client.get(f"/admin/people/project/{projects[0].pk}/change/").content.decode()
        return content, len(queries)

    page()
    _, queries_of_one = page()
    for number in range(10):
        user = User.objects.create_user(f"labeler-{number}")
        Membership.objects.create(user=user, project=projects[0], role="labeler")
    content, queries_of_eleven = page()
    assert 'value="labeler-9"' in content
    assert queries_of_eleven == queries_of_one


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
            "memberships-0-user": manager.username,
            "memberships-0-role": "manager",
            "memberships-0-cohort": "training",
            "memberships-1-project": projects[0].pk,
            "memberships-1-user": "lea",
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


def changed(user, **rights):
    """The user form's answer, with these rights ticked."""
    return {"username": user.username, **{name: "on" for name, given in rights.items() if given}}


def test_nobody_takes_the_last_administrators_rights(client):
    root, other = User.objects.create_superuser("root"), User.objects.create_user("other")
    client.force_login(root)
    url = f"/admin/people/user/{root.pk}/change/"
    everything = {"is_active": True, "is_staff": True, "is_superuser": True}
    for right in everything:
        answer = client.post(url, changed(root, **{**everything, right: False}))
        assert "This is the last administrator; make another user a superuser first." in answer.content.decode()
    assert client.post(f"/admin/people/user/{root.pk}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [root.pk, other.pk], "post": "yes"}
    client.post("/admin/people/user/", action)
    assert set(User.objects.filter(is_superuser=True, is_staff=True, is_active=True)) == {root}
    User.objects.create_superuser("second")
    assert client.post(url, changed(root, is_active=True)).status_code == 302
    assert not User.objects.get(pk=root.pk).is_superuser


def test_an_installation_without_an_administrator_gets_one_of_a_free_name(capsys):
    User.objects.create_user("admin")
    call_command("prepare")
    password = re.search(r"Administrator: admin2, password (\S+)", capsys.readouterr().out)[1]
    assert not User.objects.get(username="admin").is_superuser
    admin = User.objects.get(username="admin2")
    assert (admin.is_superuser, admin.is_staff, admin.is_active) == (True, True, True)
    assert admin.check_password(password)
    call_command("prepare")
    assert "Administrator" not in capsys.readouterr().out
