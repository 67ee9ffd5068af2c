"""Prepared queries answer as the queries they were made of, with the values of each call."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db.models import Count, Exists, OuterRef
from django.db.models.functions import Upper

from people.models import AccessToken, Cohort, Membership, Project, Role, User
from people.prepared import Prepared
from people.services.tokens import token_create

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    project = Project.objects.create(slug="alpha", name="Alpha")
    users = [User.objects.create_user(name) for name in ("ada", "bob")]
    for user, skills in zip(users, (["de"], ["fr", "law"]), strict=True):
        Membership.objects.create(user=user, project=project, role=Role.LABELER, skills=skills)
    return project, users


def test_rows_come_whole_with_related_ones_and_annotations(people, django_assert_num_queries):
    project, users = people

    def members(project, name):
        rows = Membership.objects.select_related("user", "project").filter(project=project, user__username=name)
        staff = User.objects.filter(pk=OuterRef("user"), is_staff=True)
        return rows.annotate(loud=Upper("user__username"), is_staff=Exists(staff))

    prepared = Prepared(members, project=int, name=str)
    for user in users:
        expected = members(project.pk, user.username).get()
        with django_assert_num_queries(1):
            [found] = prepared(project=project.pk, name=user.username)
            for name in ("pk", "role", "cohort", "skills", "joined_at", "loud", "is_staff"):
                assert getattr(found, name) == getattr(expected, name)
            assert (found.user, found.user.username, found.project.name) == (user, user.username, "Alpha")
            assert not found._state.adding
        found.cohort = Cohort.HELD_OUT
        found.save()  # it is a row like any other
    assert set(Membership.objects.values_list("cohort", flat=True)) == {"held_out"}


def test_values_are_values_and_never_sql(people):
    by_name = Prepared(lambda name: User.objects.filter(username=name), name=str)
    assert by_name.first(name="x' OR '1'='1") is None
    assert by_name(name="%s") == []
    assert by_name.first(name="ada").username == "ada"


def test_what_is_not_there_is_empty_and_what_is_related_may_be_missing(people):
    by_handle = Prepared(lambda handle: AccessToken.objects.select_related("user").filter(handle=handle), handle=UUID)
    assert by_handle.first(handle=uuid4()) is None
    token_create(user=people[1][0])
    row = AccessToken.objects.get()
    assert by_handle.first(handle=row.handle).user == people[1][0]
    by_slug = Prepared(lambda slug: Project.objects.select_related("setup").filter(slug=slug), slug=str)
    with pytest.raises(Project.setup.RelatedObjectDoesNotExist):
        _ = by_slug.first(slug="alpha").setup


def test_a_value_may_stand_in_several_places(people):
    twice = Prepared(
        lambda name: User.objects.filter(username=name, memberships__user__username=name).annotate(n=Count("pk")),
        name=str,
    )
    assert [(user.username, user.n) for user in twice(name="bob")] == [("bob", 1)]


def test_a_value_that_the_query_changes_is_refused(people):
    prepared = Prepared(lambda name: User.objects.filter(username__contains=name), name=str)
    with pytest.raises(ValueError, match="does not hold 'name' as it was given"):
        prepared(name="ada")
