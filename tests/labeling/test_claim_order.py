"""Which task comes first, whose it is, and how many somebody may hold."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Assignment, ProjectSetup, Task
from labeling.services.assignments import assignment_release
from labeling.services.claims import assignment_claim_anywhere, assignment_claim_next
from labeling.services.demonstrations import demonstration_submit
from labeling.services.projects import project_setup_update
from labeling.services.skips import assignment_skip
from labeling.services.tasks import task_change, task_open, tasks_restore, tasks_withdraw
from people.models import Cohort, Membership, Project, User
from people.refusals import Refused
from tests.labeling.work import make_demonstration_task, make_labeler, make_project, make_prompt, open_slots

pytestmark = pytest.mark.django_db


def claim(labeler: User, project: Project, **values) -> Task | None:
    """The task that the labeler is given, read with what the project says now."""
    found = assignment_claim_next(labeler=labeler, project=Project.objects.get(pk=project.pk), **values)
    return found.task if found is not None else None


def finish(labeler: User, task: Task) -> None:
    """Submit something for a task in work."""
    assignment = Assignment.objects.get(labeler=labeler, task=task)
    demonstration_submit(assignment_id=assignment.pk, labeler=labeler, key="k", text="An answer.")


@pytest.fixture
def project():
    project = make_project()
    ProjectSetup.objects.update(overlap=3)
    return Project.objects.get(pk=project.pk)


@pytest.fixture
def people(project):
    return [make_labeler(project, f"labeler{number}") for number in range(6)]


def test_what_is_begun_is_finished_before_something_fresh_begins(project, people):
    for _ in range(5):
        make_demonstration_task(project, overlap=3)
    assert Task.objects.filter(wanted=None).count() == 5  # the project's overlap, in no row
    given = [claim(person, project) for person in people]
    assert sorted(Counter(task.pk for task in given).values()) == [3, 3]


def test_the_nearly_finished_come_first(project, people):
    once = make_demonstration_task(project, overlap=3)
    twice = make_demonstration_task(project, overlap=3)
    Task.objects.filter(pk=once.pk).update(taken=1)
    Task.objects.filter(pk=twice.pk).update(taken=2)
    assert [claim(person, project) for person in people] == [twice, once, once, None, None, None]


def test_a_higher_priority_comes_before_what_is_begun(project, people):
    begun = make_demonstration_task(project, overlap=3, taken=1)
    urgent = make_demonstration_task(project, overlap=3, priority=5)
    assert [claim(person, project) for person in people[:4]] == [urgent, urgent, urgent, begun]


def test_a_task_that_says_itself_how_many_labels_it_wants(project, people):
    special = make_demonstration_task(project, overlap=2)
    assert special.wanted == 2
    fresh = make_demonstration_task(project, overlap=3)
    assert [claim(person, project) for person in people[:3]] == [special, special, fresh]


def test_a_task_that_is_not_shared_wants_one_label(project, people):
    alone = make_demonstration_task(project, overlap=3, is_shared=False)
    assert claim(people[0], project) == alone
    assert claim(people[1], project) is None
    assert open_slots(alone) == 0


def test_lower_priorities_are_found_when_all_of_the_highest_were_had(project, people):
    low = [make_demonstration_task(project, overlap=3, priority=1) for _ in range(2)]
    high = [make_demonstration_task(project, overlap=3, priority=2) for _ in range(40)]
    found = []
    for _ in range(42):
        task = claim(people[0], project)
        found.append(task)
        finish(people[0], task)
    assert set(found[:40]) == set(high)
    assert set(found[40:]) == set(low)
    assert claim(people[0], project) is None
    # Somebody else now finishes what the first began, the highest priority first.
    assert claim(people[1], project) in high


def test_a_raised_overlap_opens_every_task_again_and_writes_none(project, people):
    project_setup_update(project=project, overlap=1)
    tasks = [make_demonstration_task(project) for _ in range(4)]
    for _ in tasks:
        finish(people[0], claim(people[0], project))
    assert claim(people[1], project) is None
    before = versions()
    project_setup_update(project=project, overlap=2, priority=7, answers_per_task=9)
    assert versions() == before
    assert {claim(people[1], project)} <= set(tasks)
    assert versions() != before  # the claim itself writes: the check can fail


def versions() -> list[tuple[int, str]]:
    """Every task with the transaction that wrote its row last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, xmin::text, ctid::text FROM labeling_task ORDER BY id")
        return cursor.fetchall()


def test_a_lowered_overlap_takes_nothing_back(project, people):
    task = make_demonstration_task(project, overlap=3)
    assert [claim(person, project) for person in people[:2]] == [task, task]
    project_setup_update(project=project, overlap=1)
    assert claim(people[2], project) is None
    finish(people[1], task)
    assert not Assignment.objects.get(labeler=people[1]).is_extra


def test_held_out_and_training_labelers_are_kept_apart(project, people):
    Membership.objects.filter(user=people[0]).update(cohort=Cohort.HELD_OUT)
    setup = project.setup
    [training] = task_open(setup=setup, kind="demonstration", prompts=[make_prompt(project)])
    [held_out] = task_open(setup=setup, kind="evaluation", prompts=[make_prompt(project)], cohort="held_out")
    assert (training.lane, held_out.lane) == ("training", "held_out")
    assert claim(people[0], project) == held_out
    assert claim(people[1], project) == training
    # Each takes only their own, also where the other lane has slots left.
    assert [claim(person, project) for person in people[2:]] == [training, training, None, None]
    assert open_slots(held_out) == 2


def test_tasks_go_to_those_who_have_their_skills(project, people):
    project.setup.skills_by = "both"
    german = make_prompt(project, language="de", category="Law")
    [task] = task_open(setup=project.setup, kind="demonstration", prompts=[german])
    assert task.lane == "training:de+law"
    Membership.objects.filter(user=people[1]).update(skills=["DE"])
    Membership.objects.filter(user=people[2]).update(skills=["law", "de", "fr"])
    assert [claim(person, project) for person in people[:3]] == [None, None, task]


def test_kinds_that_the_project_does_not_use_wait(project, people):
    task = make_demonstration_task(project, overlap=3)
    project_setup_update(project=project, kinds=["ranking"])
    assert claim(people[0], project) is None
    assert claim(people[0], project, kind="demonstration") is None
    project_setup_update(project=project, kinds=["demonstration"])
    assert claim(people[0], project) == task


def test_a_share_of_the_tasks_is_shared(project):
    project.setup.shared_percent = 15
    prompts = [make_prompt(project) for _ in range(20)]
    tasks = task_open(setup=project.setup, kind="ranking", prompts=prompts * 50)
    shared = sum(task.is_shared for task in tasks)
    # 1,000 draws of .15: further than 6 standard deviations (11.3 each) from 150 once in half a billion runs.
    assert 82 < shared < 218
    for percent, expected in ((0, {False}), (100, {True})):
        project.setup.shared_percent = percent
        assert {t.is_shared for t in task_open(setup=project.setup, kind="ranking", prompts=prompts)} == expected


def test_withdrawn_tasks_are_handed_out_no_more_and_come_back(project, people):
    first, second = make_demonstration_task(project, overlap=3), make_demonstration_task(project, overlap=3)
    at = timezone.now()
    task_change(task_id=second.pk, withdrawn=True)
    assert tasks_withdraw(prompts=[first.prompt_id, second.prompt_id], at=at) == 1
    assert claim(people[0], project) is None
    assert tasks_restore(prompts=[first.prompt_id, second.prompt_id], at=at) == 1
    assert [claim(person, project) for person in people[:4]] == [first, first, first, None]


def test_a_task_withdrawn_under_way_takes_its_label_as_an_extra_one(project, people):
    task = make_demonstration_task(project, overlap=3)
    assert claim(people[0], project) == task
    tasks_withdraw(prompts=[task.prompt_id])
    finish(people[0], task)
    kept = Assignment.objects.get()
    task.refresh_from_db()
    assert (kept.state, kept.is_extra, task.taken) == ("submitted", True, 0)
    assert claim(people[1], project) is None


def test_a_withdrawn_task_takes_a_late_label_as_an_extra_one(project, people):
    task = make_demonstration_task(project, overlap=3)
    claim(people[0], project)
    assignment_release(assignment_id=Assignment.objects.get().pk, labeler=people[0])
    tasks_withdraw(prompts=[task.prompt_id])
    finish(people[0], task)
    task.refresh_from_db()
    assert (Assignment.objects.get().is_extra, task.taken) == (True, 0)


def test_leaving_gives_the_slot_back_at_once(project, people):
    task = make_demonstration_task(project, overlap=1)
    claim(people[0], project)
    mine = Assignment.objects.get()
    for _ in range(2):  # a second beacon changes nothing
        left = assignment_release(assignment_id=mine.pk, labeler=people[0])
        assert (left.state, open_slots(task)) == ("expired", 1)
    assert claim(people[0], project) == task  # offered again first
    assignment_release(assignment_id=mine.pk, labeler=people[0])
    assert claim(people[1], project) == task
    assert claim(people[0], project) is None


def test_another_task_up_to_the_cap(project, people):
    project_setup_update(project=project, open_cap=2)
    tasks = [make_demonstration_task(project, overlap=3) for _ in range(4)]
    first = claim(people[0], project)
    assert claim(people[0], project) == first
    second = claim(people[0], project, another=True)
    assert second in tasks
    assert second != first
    with pytest.raises(Refused, match=r"You hold 2 tasks of Everyday assistant already; submit or skip one first\."):
        claim(people[0], project, another=True)
    finish(people[0], first)
    assert claim(people[0], project) == second
    assert claim(people[0], project, another=True) not in (None, first, second)


def test_a_cap_on_labels_a_day(project, people):
    project_setup_update(project=project, daily_cap=1)
    for _ in range(3):
        make_demonstration_task(project, overlap=3)
    first = claim(people[0], project)
    held = claim(people[0], project, another=True)
    finish(people[0], first)
    assert claim(people[0], project) == held  # what is in work may be finished
    finish(people[0], held)
    with pytest.raises(Refused, match="You have given your 1 label for today in Everyday assistant"):
        claim(people[0], project)
    Assignment.objects.update(submitted_at=timezone.now() - timedelta(days=1))
    assert claim(people[0], project) is not None


def test_projects_by_priority(project, people):
    ada = people[0]
    urgent, quiet = make_project("urgent", name="Urgent"), make_project("quiet", name="Quiet")
    for other in (urgent, quiet):
        Membership.objects.create(user=ada, project=other, role="labeler")
    project_setup_update(project=urgent, priority=5)
    tasks = {p.slug: make_demonstration_task(p) for p in (quiet, urgent)}
    found = assignment_claim_anywhere(labeler=ada)
    assert found.task == tasks["urgent"]
    assert assignment_claim_anywhere(labeler=ada) == found  # held comes first
    assignment_skip(assignment_id=found.pk, labeler=ada, kind="unclear")
    mine = make_demonstration_task(project, priority=9)
    assert assignment_claim_anywhere(labeler=ada).task == mine  # by name among equals, not by the task's priority
    assert assignment_claim_anywhere(labeler=ada, another=True).task == tasks["quiet"]
    assert assignment_claim_anywhere(labeler=ada, another=True) is None


def test_a_project_at_its_cap_sends_on_to_the_next(project, people):
    ada, other = people[0], make_project("other", name="Other")
    Membership.objects.create(user=ada, project=other, role="labeler")
    project_setup_update(project=project, daily_cap=1)
    make_demonstration_task(project), make_demonstration_task(project)
    finish(ada, claim(ada, project))
    with pytest.raises(Refused, match="for today in Everyday assistant"):
        assignment_claim_anywhere(labeler=ada)
    task = make_demonstration_task(other)
    assert assignment_claim_anywhere(labeler=ada).task == task
