"""Pages of errors say in one sentence what was wrong; what was raised without a sentence gets a plain one."""

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client, RequestFactory
from django.views import defaults

from people.models import Membership, Project, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def labeler():
    project = Project.objects.create(slug="alpha", name="Alpha")
    user = User.objects.create_user("ana", password="long-enough-7")
    Membership.objects.create(user=user, project=project, role="labeler")
    return user


def test_a_page_that_there_is_not(client, labeler):
    client.force_login(labeler)
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert "Resolver404" not in answer.content.decode()


def test_a_sentence_that_was_given_is_shown_and_escaped(client, labeler):
    request = RequestFactory().get("/")
    request.user = labeler
    page = defaults.page_not_found(request, Http404("The file <b>a</b> was changed.")).content.decode()
    assert "The file &lt;b&gt;a&lt;/b&gt; was changed." in page


def test_a_role_that_does_not_suffice(client, labeler):
    client.force_login(labeler)
    page = client.get("/data/alpha/")
    assert page.status_code == 403
    assert "Your role in this project does not allow this." in page.content.decode()
    request = RequestFactory().get("/")
    request.user = labeler
    page = defaults.permission_denied(request, PermissionDenied()).content.decode()
    assert "Your role does not allow this" in page


def test_a_form_of_another_session(labeler):
    client = Client(enforce_csrf_checks=True)
    client.force_login(labeler)
    answer = client.post("/label/alpha/next/")
    assert answer.status_code == 403
    assert "copy what you wrote, load the page again and send it" in answer.content.decode()


def test_an_error_of_ours_needs_neither_database_nor_session():
    page = defaults.server_error(RequestFactory().get("/")).content.decode()
    assert "Unexpected error" in page
    assert "Sign out" not in page
