"""Bringing people into a project at the same moment, against the real database."""

import pytest
from django.test import Client

from people.models import Membership, Project, User
from tests.labeling.threads import together

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_several_who_make_the_same_user_succeeds_and_the_others_are_told():
    boss = User.objects.create_user("boss", password="long-enough-7")
    project = Project.objects.create(slug="alpha", name="Alpha")
    Membership.objects.create(user=boss, project=project, role="manager")
    clients = [Client(raise_request_exception=False) for _ in range(6)]
    for client in clients:
        client.force_login(boss)
    body = {"username": "lea", "role": "labeler", "password": "long-enough-7"}

    def post(number: int):
        answer = clients[number].post("/api/v1/projects/alpha/members/", body, content_type="application/json")
        return answer.status_code, answer.json().get("detail")

    told = "There is already a user 'lea': leave the password out to add them."
    assert sorted(together(6, post)) == [(201, None)] + [(400, told)] * 5
    assert User.objects.filter(username="lea").count() == Membership.objects.filter(user__username="lea").count() == 1
