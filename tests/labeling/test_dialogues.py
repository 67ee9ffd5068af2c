"""Dialogues that go on with the chosen reply, answers given over the API, evaluations that are not learned from."""

from __future__ import annotations

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Assignment, Completion, CurationStep, Prompt, Ranking, Task
from labeling.selectors.frozen import frozen_rankings
from labeling.services.answers import Answer, answers_add
from labeling.services.claims import assignment_claim_next
from labeling.services.dialogues import comparison_open, dialogue_continue
from labeling.services.rankings import ranking_submit
from labeling.services.tasks import shares_of, task_change
from people.models import Cohort, Membership, Role
from people.refusals import Conflict, Refused
from tests.labeling.work import make_labeler, make_project, make_prompt, make_ranking_task

pytestmark = pytest.mark.django_db

TWO = [Answer("Water it.", "policy-1"), Answer("Sing to it.", "policy-2")]


@pytest.fixture
def project():
    return make_project()


@pytest.fixture
def ada(project):
    return make_labeler(project, "ada")


@pytest.fixture
def compared(project, ada):
    """A comparison that ada has ranked, the watering first."""
    answers_add(prompt=make_prompt(project, category="Chat"), answers=TWO, kind="comparison")
    assignment = assignment_claim_next(labeler=ada, project=project)
    first, second = (str(Completion.objects.get(text=answer.text).pk) for answer in TWO)
    ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=[[first], [second]])
    return assignment


def test_the_chosen_reply_goes_on(compared, project, ada):
    turn = dialogue_continue(assignment_id=compared.pk, labeler=ada, text=" How often? ")
    assert turn.messages == [
        {"role": "user", "content": "How do I keep basil alive?"},
        {"role": "assistant", "content": "Water it."},
        {"role": "user", "content": "How often?"},
    ]
    before = compared.task.prompt
    assert (turn.parent, turn.split, turn.author, turn.category) == (before, before.split, before.author, "Chat")
    assert dialogue_continue(assignment_id=compared.pk, labeler=ada, text="How often?") == turn  # sent twice
    with pytest.raises(Conflict, match="went on already, with another message"):
        dialogue_continue(assignment_id=compared.pk, labeler=ada, text="How much?")
    assert Prompt.objects.count() == 2


def test_replies_to_a_turn_go_to_who_wrote_it(compared, project, ada):
    bob = make_labeler(project, "bob")
    turn = dialogue_continue(assignment_id=compared.pk, labeler=ada, text="How often?")
    engineer = APIClient()
    engineer.force_authenticate(make_labeler(project, "eve", role=Role.ENGINEER))
    body = {"answers": [{"text": "Daily.", "model": "policy-1"}, {"text": "Weekly."}, {"text": "Daily. "}]}
    answer = engineer.post(f"/api/v1/prompts/{turn.pk}/completions/", body, format="json")
    assert answer.status_code == 201
    assert (answer.json()["kind"], answer.json()["wanted"], answer.json()["taken"]) == ("comparison", 1, 1)
    assert sorted(turn.completions.values_list("text", "model")) == [("Daily.", "policy-1"), ("Weekly.", "")]
    assert assignment_claim_next(labeler=bob, project=project) is None
    again = assignment_claim_next(labeler=ada, project=project)
    assert (again.task.prompt, len(again.shown_order)) == (turn, 2)


def test_a_held_out_labelers_dialogue_stays_in_the_held_out_lane(project, ada):
    Membership.objects.filter(user=ada).update(cohort=Cohort.HELD_OUT)
    answers_add(prompt=make_prompt(project), answers=TWO, kind="comparison", cohort="held_out")
    assignment = assignment_claim_next(labeler=ada, project=project)
    ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=[[i] for i in assignment.shown_order])
    turn = dialogue_continue(assignment_id=assignment.pk, labeler=ada, text="And then?")
    assert answers_add(prompt=turn, answers=TWO).lane == "held_out"


def test_of_a_tie_somebody_says_which_goes_on(project, ada):
    answers_add(prompt=make_prompt(project), answers=TWO, kind="comparison")
    assignment = assignment_claim_next(labeler=ada, project=project)
    with pytest.raises(Conflict, match="Rank the replies and submit before"):
        dialogue_continue(assignment_id=assignment.pk, labeler=ada, text="x")
    ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=[assignment.shown_order])
    with pytest.raises(Refused, match="2 replies share the first rank; say which one"):
        dialogue_continue(assignment_id=assignment.pk, labeler=ada, text="x")
    chosen = Completion.objects.get(text="Sing to it.")
    api = APIClient()
    api.force_authenticate(ada)
    url = f"/api/v1/assignments/{assignment.pk}/continue/"
    assert api.post(url, {"text": " "}, format="json").status_code == 400
    answer = api.post(url, {"text": "Which song?", "completion": str(chosen.pk)}, format="json")
    assert answer.status_code == 201
    assert answer.json()["messages"][1]["content"] == "Sing to it."


def test_only_a_comparison_goes_on_and_only_with_the_first(compared, project, ada):
    second = str(Completion.objects.get(text="Sing to it.").pk)
    with pytest.raises(Refused, match="goes on with a reply of the first rank"):
        dialogue_continue(assignment_id=compared.pk, labeler=ada, text="x", completion_id=second)
    with pytest.raises(Refused, match="keep it to 20,000"):
        dialogue_continue(assignment_id=compared.pk, labeler=ada, text="x" * 20_001)
    make_ranking_task(project)
    other = assignment_claim_next(labeler=ada, project=project, kind="ranking")
    with pytest.raises(Refused, match="Only a comparison in a dialogue"):
        dialogue_continue(assignment_id=other.pk, labeler=ada, text="x")


@pytest.mark.parametrize(
    ("answers", "values", "sentence"),
    [
        ([Answer("one")], {}, "at least two different answers"),
        ([Answer("same"), Answer(" same ")], {}, "at least two different answers"),
        ([Answer(str(n)) for n in range(27)], {}, "There are 27 answers; a task asks about 26 at most"),
        (TWO, {"kind": "demonstration"}, "one of ranking, comparison, evaluation, not as 'demonstration'"),
        (TWO, {"cohort": "nobody"}, "one of training, held_out, not for 'nobody'"),
        (TWO, {"wanted": 0}, "wants 1 to 20 labels"),
        ([Answer("x" * 1_000_001), Answer("y")], {}, "keep it to 1,000,000"),
    ],
)
def test_answers_that_are_refused(project, answers, values, sentence):
    with pytest.raises(Refused, match=sentence):
        answers_add(prompt=make_prompt(project), answers=answers, **values)
    assert (Task.objects.count(), Completion.objects.count()) == (0, 0)


def test_the_same_answers_are_asked_about_again_without_a_copy(project):
    prompt = make_prompt(project)
    tasks = [answers_add(prompt=prompt, answers=TWO, priority=n) for n in range(2)]
    assert [task.priority for task in tasks] == [0, 1]
    assert Completion.objects.count() == 2


def test_evaluations_are_not_learned_from(project, ada):
    prompt = make_prompt(project)
    for kind in ("evaluation", "ranking"):
        answers_add(prompt=prompt, answers=TWO, kind=kind)
        assignment = assignment_claim_next(labeler=ada, project=project)
        ranking_submit(assignment_id=assignment.pk, labeler=ada, key="k", groups=[[i] for i in assignment.shown_order])
    assert Ranking.objects.count() == 2
    [kept] = frozen_rankings(project, lambda key: key)
    assert kept.id == str(Ranking.objects.get(assignment__task__kind="ranking").pk)
    assert Assignment.objects.filter(state="submitted").count() == 2


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(4, 4, [4]), (8, 4, [4, 4]), (9, 4, [3, 3, 3]), (5, 4, [3, 2]), (3, 2, [3]), (5, 2, [3, 2]), (2, 9, [2])],
)
def test_answers_are_dealt_out_in_equal_parts(count, most, sizes):
    answers = [f"answer {n}" for n in range(count)]
    parts = shares_of(answers, most)
    assert [len(part) for part in parts] == sizes
    assert [answer for part in parts for answer in part] == answers


def test_replies_to_a_turn_that_curation_took_out_wait_with_it(compared, ada):
    turn = dialogue_continue(assignment_id=compared.pk, labeler=ada, text="How often?")
    step = CurationStep.objects.create(project=turn.project, rule="exact", state="done", finished_at=timezone.now())
    Prompt.objects.filter(pk=turn.pk).update(dropped_by=step)
    turn.refresh_from_db()
    replies = [Completion.objects.create(prompt=turn, external_id=one, text=one) for one in ("Daily.", "Weekly.")]
    task = comparison_open(prompt=turn, completions=replies)
    assert (task.withdrawn_at is not None, task.taken, task.assignments.count()) == (True, 0, 0)
    with pytest.raises(Refused, match="Curation took this task's prompt out of use"):
        task_change(task_id=task.pk, withdrawn=False)
