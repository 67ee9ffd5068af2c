"""Tasks that managers open on prompts which are there, as for held-out labelers and evaluations."""

from __future__ import annotations

import uuid

import pytest
from rest_framework.test import APIClient

from labeling.models import Completion, CurationStep, Prompt, Task
from labeling.services.projects import project_setup_update
from people.models import Role
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_prompt

pytestmark = pytest.mark.django_db
URL = "/api/v1/projects/everyday/tasks/"


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def mia(project):
    api = APIClient()
    api.force_authenticate(make_labeler(project, "mia", role=Role.MANAGER))
    return api


def answers(prompt: Prompt, **texts: str) -> None:
    for number, (model, text) in enumerate(texts.items()):
        Completion.objects.create(prompt=prompt, external_id=str(number), text=text, model=model)


def test_an_evaluation_of_two_models_for_held_out_labelers(project, mia):
    prompts = [make_prompt(project) for _ in range(2)]
    for prompt in prompts:
        answers(prompt, sft="one", ppo="two", base="three")
    body = {"prompts": [str(p.pk) for p in prompts], "kind": "evaluation", "cohort": "held_out",
            "models": ["sft", "ppo"], "wanted": 3, "priority": 2}  # fmt: skip
    opened = mia.post(URL, body, format="json")
    assert opened.status_code == 201
    assert [(t["lane"], t["wanted"], t["priority"]) for t in opened.json()] == [("held_out", 3, 2)] * 2
    for task in Task.objects.all():
        assert set(task.completions.values_list("model", flat=True)) == {"sft", "ppo"}


def test_more_answers_than_k_are_dealt_out(project, mia):
    project_setup_update(project=project, answers_per_task=2)
    prompt = make_prompt(project)
    answers(prompt, a="one", b="two", c=" one ", d="three", e="four")
    assert mia.post(URL, {"prompts": [str(prompt.pk)], "kind": "ranking"}, format="json").status_code == 201
    assert sorted(task.completions.count() for task in Task.objects.all()) == [2, 2]  # equal texts once


def test_demonstrations_are_opened_where_there_are_none(project, mia):
    asked = make_demonstration_task(project).prompt
    fresh = make_prompt(project)
    body = {"prompts": [str(asked.pk), str(fresh.pk)], "kind": "demonstration"}
    opened = mia.post(URL, body, format="json").json()
    assert [t["prompt"] for t in opened] == [str(fresh.pk)]
    assert mia.post(URL, body, format="json").json() == []


def test_all_of_them_or_none(project, mia):
    good, bare, dropped = (make_prompt(project) for _ in range(3))
    foreign = make_prompt(make_project("other"))
    answers(good, a="one", b="two")
    dropped.dropped_by = CurationStep.objects.create(project=project, rule="cap", state="done")
    dropped.save()
    for other, sentence in (
        (bare.pk, f"The prompt {bare.pk} has 0 different answers; there is nothing to compare."),
        (dropped.pk, f"Everyday assistant has no prompt {dropped.pk} in use."),
        (foreign.pk, f"Everyday assistant has no prompt {foreign.pk} in use."),
        (uuid.UUID(int=1), f"Everyday assistant has no prompt {uuid.UUID(int=1)} in use."),
    ):
        answer = mia.post(URL, {"prompts": [str(good.pk), str(other)], "kind": "ranking"}, format="json")
        assert (answer.status_code, answer.json()) == (400, {"detail": sentence})
    assert mia.post(URL, {"prompts": [], "kind": "ranking"}, format="json").status_code == 400
    assert Task.objects.count() == 0


def test_as_many_queries_for_many_prompts(project, mia, django_assert_max_num_queries):
    prompts = [make_prompt(project) for _ in range(30)]
    for prompt in prompts:
        answers(prompt, a="one", b="two")
    with django_assert_max_num_queries(13):
        opened = mia.post(URL, {"prompts": [str(p.pk) for p in prompts], "kind": "ranking"}, format="json")
    assert len(opened.json()) == 30
