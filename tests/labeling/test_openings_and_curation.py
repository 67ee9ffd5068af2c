"""Tasks opened while a curation step ends: the step finds them, or whoever opens them sees what it dropped."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction

from labeling.models import Completion, CurationStep, ProjectSetup, Prompt, Task
from labeling.services.answers import Answer, answers_add
from labeling.services.curation import curation_create, curation_execute, curation_undo
from labeling.services.openings import tasks_open_on
from labeling.services.tasks import task_change, task_open
from people.models import Project
from people.refusals import Refused
from tests.labeling.work import make_project, make_prompt

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project() -> Project:
    made = make_project()
    for text in ("one", "One"):
        prompt = make_prompt(made, text)
        for name in ("a", "b"):
            Completion.objects.create(prompt=prompt, external_id=name, text=name, model=name)
    return made


@pytest.fixture
def doubled(project) -> Prompt:
    """The prompt that a step on exact duplicates drops."""
    return Prompt.objects.get(external_id="p1")


def by_prompts(prompt):
    return tasks_open_on(project=prompt.project, prompts=[prompt.pk], kind="ranking", cohort="training")


def by_answers(prompt):
    return [answers_add(prompt=prompt, answers=[Answer("one"), Answer("two")])]


def by_batch(prompt):
    """As a batch of completions does it, which is not refused."""
    return task_open(setup=ProjectSetup.objects.get(), kind="ranking", prompts=[prompt])


def step_of(project, rule="exact", **options) -> CurationStep:
    return curation_create(project=project, rule=rule, options=options, user=None)


def in_thread(act) -> tuple[threading.Thread, list]:
    """Start `act` in a thread of its own; what it returns or raises stands in the list afterwards."""
    results = []

    def run():
        try:
            with transaction.atomic():
                results.append(act())
        except Refused as refusal:
            results.append(refusal)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


@contextmanager
def meanwhile(act):
    """Start `act`, see it wait for what is done inside this transaction, and let it go on after the commit."""
    with transaction.atomic():
        started = []
        yield started  # what `act` has to wait for is done here
        thread, results = in_thread(act)
        until = time.monotonic() + 20
        while not _somebody_waits():
            assert thread.is_alive(), f"nothing was waited for: {results}"
            assert time.monotonic() < until
            time.sleep(0.01)
    thread.join()
    started += results


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()[0] > 0


@pytest.mark.parametrize("open_tasks", [by_prompts, by_answers, by_batch])
def test_a_step_that_ends_later_finds_the_tasks(project, doubled, open_tasks):
    step = step_of(project)
    with meanwhile(lambda: curation_execute(step_id=step.pk)) as results:
        [task] = open_tasks(doubled)
    assert results == [True]
    step.refresh_from_db()
    task.refresh_from_db()
    assert (step.changed, task.withdrawn_at) == (1, step.finished_at)


@pytest.mark.parametrize(
    ("open_tasks", "sentence"),
    [
        (by_prompts, "Everyday assistant has no prompt {pk} in use."),
        (by_answers, "The prompt was taken out of use, so nothing is asked about it."),
    ],
)
def test_who_opens_later_is_told_that_the_prompt_is_dropped(project, doubled, open_tasks, sentence):
    step = step_of(project)
    with meanwhile(lambda: open_tasks(doubled)) as results:
        curation_execute(step_id=step.pk)
    assert [str(refusal) for refusal in results] == [sentence.format(pk=doubled.pk)]
    assert not Task.objects.exists()


def test_a_batch_opens_later_what_waits_until_the_step_is_undone(project, doubled):
    step = step_of(project)
    with meanwhile(lambda: by_batch(doubled)) as results:
        curation_execute(step_id=step.pk)
    [[task]] = results
    step.refresh_from_db()
    assert task.withdrawn_at == step.finished_at
    curation_undo(step_id=step.pk)
    curation_execute(step_id=step.pk)
    task.refresh_from_db()
    assert task.withdrawn_at is None


def test_an_undone_step_is_waited_for_too(project, doubled):
    step = step_of(project)
    curation_execute(step_id=step.pk)
    curation_undo(step_id=step.pk)
    with meanwhile(lambda: by_batch(doubled)) as results:
        curation_execute(step_id=step.pk)
    [[task]] = results
    assert task.withdrawn_at is None


def test_a_task_is_not_brought_back_beside_a_step_that_drops_its_prompt(project, doubled):
    [task] = by_batch(doubled)
    task_change(task_id=task.pk, withdrawn=True)
    step = step_of(project)
    with meanwhile(lambda: task_change(task_id=task.pk, withdrawn=False)) as results:
        curation_execute(step_id=step.pk)
    assert [str(refusal) for refusal in results] == [
        "Curation took this task's prompt out of use; undo that step to hand the task out again."
    ]


def test_a_language_that_is_told_meanwhile_decides_the_lane(project, doubled):
    ProjectSetup.objects.update(skills_by="language")
    german = make_prompt(project, "Erkläre mir bitte, wie die Photosynthese der Pflanzen funktioniert.")
    step = step_of(project, "language")
    with meanwhile(lambda: by_batch(german)) as results:
        curation_execute(step_id=step.pk)
    [[task]] = results
    assert task.lane == "training:de"
