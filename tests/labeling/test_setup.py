"""How a project is set up, over the API and in the admin: what cannot be is refused, what a change does is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Assignment, ProjectSetup, Task
from labeling.selectors.effects import setup_effects
from labeling.selectors.estimates import rows_about
from labeling.services.projects import SETTINGS, project_setup_update
from people.models import Role
from people.refusals import Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_prompt

pytestmark = pytest.mark.django_db

EVERY = {
    "kinds": ["ranking", "evaluation"],
    "answers_per_task": 9,
    "allow_ties": False,
    "strength_levels": 3,
    "open_demonstrations": False,
    "overlap": 3,
    "shared_percent": 15,
    "max_labels": 5,
    "agreement_floor": 70,
    "skills_by": "both",
    "priority": -2,
    "lease_minutes": 30,
    "open_cap": 5,
    "daily_cap": 200,
    "edit_window_hours": 48,
    "split_by": "organisation",
    "valid_percent": 20,
    "test_percent": 10,
    "keep_originals": False,
}
URL = "/api/v1/projects/everyday/setup/"


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def manager(project):
    return make_labeler(project, "mia", role=Role.MANAGER, is_staff=True)


@pytest.fixture
def api(manager):
    client = APIClient()
    client.force_authenticate(manager)
    return client


@pytest.fixture
def pages(manager):
    client = Client()
    client.force_login(manager)
    return client


def test_every_setting_is_named(project):
    columns = {field.name for field in ProjectSetup._meta.concrete_fields} - {"id", "project"}
    assert set(SETTINGS) == columns == set(EVERY)


def test_the_api_carries_every_setting_both_ways(project, api):
    assert api.put(URL, EVERY, format="json").json() == EVERY
    assert api.get(URL).json() == EVERY
    assert api.put(URL, {"daily_cap": None}, format="json").json() == {**EVERY, "daily_cap": None}


REFUSED = [
    ({"answers_per_task": 1}, "greater than or equal to 2"),
    ({"answers_per_task": 10}, "less than or equal to 9"),
    ({"strength_levels": 2}, "not a valid choice"),
    ({"overlap": 0}, "greater than or equal to 1"),
    ({"overlap": 21}, "less than or equal to 20"),
    ({"shared_percent": 101}, "less than or equal to 100"),
    ({"agreement_floor": 101}, "less than or equal to 100"),
    ({"lease_minutes": 0}, "greater than or equal to 1"),
    ({"lease_minutes": 241}, "less than or equal to 240"),
    ({"open_cap": 0}, "greater than or equal to 1"),
    ({"daily_cap": 0}, "greater than or equal to 1"),
    ({"edit_window_hours": 8761}, "less than or equal to 8760"),
    ({"skills_by": "height"}, "not a valid choice"),
    ({"kinds": []}, "empty"),
    ({"kinds": ["dance"]}, "not a valid choice"),
    ({"valid_percent": 81, "test_percent": 10}, "Validation and test together may take at most 90 percent"),
    ({"overlap": 1, "max_labels": 3}, "People can disagree only where a task gets two labels"),
    ({"overlap": 3, "max_labels": 3}, "the limit where people disagree must be 4 or more, or 0 for none."),
]


@pytest.mark.parametrize(("asked", "sentence"), REFUSED)
def test_what_cannot_be_is_refused_by_the_api_and_nothing_changes(project, api, asked, sentence):
    before = api.get(URL).json()
    answer = api.put(URL, asked, format="json")
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert api.get(URL).json() == before


def test_the_service_refuses_what_no_form_looked_at(project):
    for kinds in ([], "ranking", ["dance"], [["ranking"]], None):
        with pytest.raises(Refused):
            project_setup_update(project=project, kinds=kinds)
    with pytest.raises(Refused, match="has no setting 'colour'"):
        project_setup_update(project=project, colour=3)


def form_of_the_admin(**changed) -> dict:
    """What the admin's page posts for a setup of the defaults."""
    values = {name: getattr(ProjectSetup(), name) for name in SETTINGS} | changed
    ticked = {name: value for name, value in values.items() if value is not False and value is not None}
    return {name: "on" if value is True else value for name, value in ticked.items()}


def test_the_admin_stores_every_setting_and_says_what_it_does(project, pages):
    url = reverse("admin:labeling_projectsetup_change", args=[project.setup.pk])
    page = pages.get(url)
    assert page.status_code == 200
    for heading in ("What is asked", "How many labels", "Who gets what, and for how long", "Where prompts go"):
        assert heading in page.content.decode()
    answer = pages.post(url, form_of_the_admin(**EVERY), follow=True)
    assert answer.redirect_chain
    project.setup.refresh_from_db()
    assert {name: getattr(project.setup, name) for name in SETTINGS} == EVERY
    assert "0 shared tasks want 2 labels more each; no task is rewritten." in answer.content.decode()


@pytest.mark.parametrize(("asked", "sentence"), REFUSED[:-4])
def test_what_cannot_be_is_refused_by_the_admin(project, pages, asked, sentence):
    url = reverse("admin:labeling_projectsetup_change", args=[project.setup.pk])
    page = pages.post(url, form_of_the_admin(**asked))
    assert page.status_code == 200
    assert page.context["errors"]
    project.setup.refresh_from_db()
    assert {name: getattr(project.setup, name) for name in asked} != asked


@pytest.mark.parametrize(("asked", "sentence"), REFUSED[-3:])
def test_what_cannot_be_together_is_one_sentence_in_the_admin(project, pages, asked, sentence):
    url = reverse("admin:labeling_projectsetup_change", args=[project.setup.pk])
    assert sentence in pages.post(url, form_of_the_admin(**asked)).content.decode()


def test_a_setup_is_added_for_a_project_that_has_none(project, pages, manager):
    project.setup.delete()
    url = reverse("admin:labeling_projectsetup_add")
    assert pages.post(url, {"project": project.pk, **form_of_the_admin(overlap=2)}).status_code == 302
    assert ProjectSetup.objects.get(project=project).overlap == 2


def test_a_new_setup_begins_with_every_kind_ticked(pages):
    form = pages.get("/admin/labeling/projectsetup/add/").context["adminform"].form
    assert form["kinds"].value() == ["demonstration", "ranking", "comparison", "evaluation"]


def test_the_preview_says_what_a_change_would_do_and_stores_nothing(project, pages):
    for _ in range(3):
        make_demonstration_task(project)
    Task.objects.filter(pk=Task.objects.first().pk).update(is_shared=False)
    url = reverse("admin:labeling_projectsetup_effects", args=[project.setup.pk])
    assert b"Nothing has been changed yet." in pages.post(url, form_of_the_admin()).content
    said = pages.post(url, form_of_the_admin(overlap=3)).content.decode()
    assert "Labels for each shared task 1 → 3: 2 shared tasks want 2 labels more each; no task is rewritten." in said
    refused = pages.post(url, form_of_the_admin(overlap=3, answers_per_task=12)).content.decode()
    assert "Answers per task: Ensure this value is less than or equal to 9." in refused
    project.setup.refresh_from_db()
    assert project.setup.overlap == 1
    assert pages.get(url).status_code == 405


def test_the_preview_is_for_managers_of_the_project(project):
    other = make_project("other")
    client = Client()
    client.force_login(make_labeler(other, "olga", role=Role.MANAGER, is_staff=True))
    url = reverse("admin:labeling_projectsetup_effects", args=[project.setup.pk])
    assert client.post(url, form_of_the_admin(overlap=3)).status_code == 404


def changed(project, **settings) -> list[str]:
    old = ProjectSetup.objects.get(project=project)
    new = ProjectSetup.objects.get(project=project)
    for name, value in settings.items():
        setattr(new, name, value)
    return setup_effects(old, new)


def test_nothing_changed_does_nothing(project):
    assert changed(project) == []


def test_each_setting_says_what_it_does(project):
    labeler = make_labeler(project)
    tasks = [make_demonstration_task(project) for _ in range(2)]
    now = timezone.now()
    common = {"labeler": labeler, "lease_expires_at": now}
    Assignment.objects.create(task=tasks[0], state="leased", **common)
    Assignment.objects.create(task=tasks[1], state="submitted", submitted_at=now - timedelta(hours=30), **common)
    assert changed(project, kinds=["ranking", "comparison", "evaluation"]) == [
        "Handed out no more: demonstration. 2 tasks of them wait until they are switched on again; "
        "what is in work can be finished."
    ]
    assert changed(project, answers_per_task=9) == [
        "Ranking tasks opened from now on ask about 9 answers; the 0 tasks there already keep theirs."
    ]
    assert changed(project, lease_minutes=60) == [
        "A task taken or renewed from now on stays 60 minutes; "
        "the 1 in work now keep their time until the next sign of life."
    ]
    assert changed(project, edit_window_hours=48) == [
        "Labels can be corrected for 48 hours: 1 of those given can be now."
    ]
    assert changed(project, edit_window_hours=0) == ["Labels can be corrected no more."]
    assert changed(project, valid_percent=20, test_percent=10) == [
        "New authors are drawn 70 : 20 : 10 into training, validation and test. No prompt moves."
    ]
    assert len(changed(project, **EVERY)) == 14


def test_lower_overlap_takes_no_label_away(project):
    make_demonstration_task(project)
    ProjectSetup.objects.update(overlap=3)
    assert changed(project, overlap=2) == [
        "Labels for each shared task 3 → 2: 1 shared task wants 1 label fewer each; "
        "labels given already stay, and no task is rewritten."
    ]


def test_what_a_change_does_costs_few_queries(project):
    old, new = (ProjectSetup.objects.get(project=project) for _ in range(2))
    for name, value in EVERY.items():
        setattr(new, name, value)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        setup_effects(old, new)
    assert len(queries) == 5


def test_many_rows_are_not_counted_but_estimated(project):
    for _ in range(4):
        make_prompt(project)
    few = rows_about(project.prompts.all(), counted=4)
    assert (few.number, few.is_exact, str(few)) == (4, True, "4")
    many = rows_about(project.prompts.all(), counted=3)
    assert not many.is_exact
    assert many.number >= 4
    assert str(many).startswith("about ")
