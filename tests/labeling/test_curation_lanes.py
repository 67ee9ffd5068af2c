"""Languages that curation tells move the open tasks to who speaks them; undoing moves them back."""

from __future__ import annotations

import pytest
from django.utils import timezone

from labeling.models import CurationStep, ProjectSetup, Prompt, Task
from labeling.services.claims import assignment_claim_next
from labeling.services.curation import curation_create, curation_execute, curation_undo
from labeling.services.tasks import task_open
from people.models import Membership, Project
from tests.labeling.work import make_labeler, make_project, make_prompt

pytestmark = pytest.mark.django_db
GERMAN = "Erkläre mir bitte, wie die Photosynthese der Pflanzen funktioniert."
ENGLISH = "Please explain to me how the photosynthesis of plants works."


@pytest.fixture
def project() -> Project:
    make_project()
    ProjectSetup.objects.update(skills_by="both")
    return Project.objects.get()


def lanes() -> dict[str, str]:
    return dict(Task.objects.values_list("prompt__external_id", "lane"))


def tell(project) -> CurationStep:
    step = curation_create(project=project, rule="language", options={}, user=None)
    assert curation_execute(step_id=step.pk)
    step.refresh_from_db()
    return step


@pytest.fixture
def _tasks(project):
    german, english = make_prompt(project, GERMAN, category="law"), make_prompt(project, ENGLISH)
    known = make_prompt(project, GERMAN, language="de-AT")
    short = make_prompt(project, "ok")
    task_open(setup=project.setup, kind="demonstration", prompts=[german, known, short])
    task_open(setup=project.setup, kind="ranking", prompts=[english], cohort="held_out")


@pytest.mark.usefixtures("_tasks")
def test_tasks_move_with_the_language_and_back(project):
    before = {"p0": "training:law", "p1": "held_out", "p2": "training:de-at", "p3": "training"}
    assert lanes() == before
    step = tell(project)
    assert lanes() == before | {"p0": "training:de+law", "p1": "held_out:en"}
    curation_undo(step_id=step.pk)
    assert curation_execute(step_id=step.pk)
    assert lanes() == before


@pytest.mark.usefixtures("_tasks")
def test_who_speaks_the_language_gets_the_task_and_who_is_at_it_keeps_it(project):
    bob, ada = make_labeler(project, "bob"), make_labeler(project, "ada")
    Membership.objects.filter(user=bob).update(skills=["law"])
    Membership.objects.filter(user=ada).update(skills=["law", "de"])
    Task.objects.exclude(prompt__external_id="p0").update(withdrawn_at=timezone.now())
    mine = assignment_claim_next(labeler=bob, project=project)
    ProjectSetup.objects.update(overlap=2)
    project.setup.refresh_from_db()
    tell(project)
    assert assignment_claim_next(labeler=bob, project=project) == mine
    assert assignment_claim_next(labeler=ada, project=project).task == mine.task


@pytest.mark.parametrize("skills_by", ["none", "category"])
@pytest.mark.usefixtures("_tasks")
def test_nothing_moves_where_no_language_is_asked_for(project, skills_by):
    ProjectSetup.objects.update(skills_by=skills_by)
    before = lanes()
    tell(project)
    assert Prompt.objects.filter(language="de").exists()
    assert lanes() == before
