"""The way back: a batch is imported once, opened as ranking tasks, and a broken one harms nothing."""

from __future__ import annotations

import json
import threading
from uuid import uuid4

import pytest
from django.db import connection

from exchange import completions as batches
from exchange import records
from exchange.envelope import seal
from exchange.store import Store
from labeling.models import Completion, CompletionBatch, Prompt, Task
from labeling.services.answers import Answer, answers_add
from labeling.services.claims import assignment_claim_next
from labeling.services.completions import completion_batch_import, completion_batches_poll
from labeling.services.dialogues import dialogue_continue
from labeling.services.projects import project_setup_update
from labeling.services.rankings import ranking_submit
from people.models import Project
from tests.labeling.work import make_labeler, open_slots

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(str(tmp_path / "store"), cache=tmp_path / "cache")


@pytest.fixture
def project() -> Project:
    return Project.objects.create(slug="demo", name="Demo")


def make_prompt(project: Project, name: str) -> Prompt:
    messages = [{"role": "user", "content": name}]
    return Prompt.objects.create(project=project, external_id=name, messages=messages, author=name, split="valid")


def answer(prompt: Prompt, text: str, number: int, **values) -> records.Completion:
    values = {"model": f"model-{number}", "checkpoint": "c" * 64, "tokens": 5, "sampling": {"seed": number}} | values
    return records.Completion(id=f"{prompt.external_id}-{number}", prompt_id=str(prompt.pk), text=text, **values)


def publish(store: Store, answers: list[records.Completion], tmp_path, **meta) -> str:
    meta = {"project": "demo", "snapshot": "s" * 64, "run": "7", "purpose": "ranking"} | meta
    digest, directory = batches.write_batch(tmp_path / "run", answers, meta=meta)
    assert store.put("completions", directory) == digest
    return digest


def test_a_batch_becomes_ranking_tasks(project, store, tmp_path):
    project_setup_update(project=project, overlap=2)
    first, second = make_prompt(project, "one"), make_prompt(project, "two")
    digest = publish(
        store,
        [answer(p, text, n) for p in (first, second) for n, text in enumerate(("Good.", "Bad.", "Ugly."))],
        tmp_path,
    )
    assert completion_batches_poll(store=store) == 1
    batch = CompletionBatch.objects.get(digest=digest)
    assert (batch.project, batch.error, batch.completions_count, batch.tasks_opened) == (project, "", 6, 2)
    assert batch.manifest["meta"]["run"] == "7"
    tasks = list(Task.objects.order_by("pk"))
    assert {task.prompt_id for task in tasks} == {first.pk, second.pk}
    for task in tasks:
        assert (task.kind, task.taken, open_slots(task), task.batch) == ("ranking", 0, 2, batch)
        assert task.priority > 0
        members = list(task.task_completions.select_related("completion"))
        assert [member.position for member in members] == [0, 1, 2]
        assert {member.completion.text for member in members} == {"Good.", "Bad.", "Ugly."}
        assert {member.completion.prompt_id for member in members} == {task.prompt_id}
    one = Completion.objects.get(prompt=first, text="Bad.")
    assert (one.model, one.checkpoint, one.batch) == ("model-1", "c" * 64, batch)
    assert one.sampling == {"seed": 1, "finish": "eos", "tokens": 5}


def test_a_batch_is_imported_once(project, store, tmp_path):
    prompt = make_prompt(project, "one")
    digest = publish(store, [answer(prompt, "a", 0), answer(prompt, "b", 1)], tmp_path)
    assert completion_batches_poll(store=store) == 1
    assert completion_batches_poll(store=store) == 0
    assert completion_batch_import(digest=digest, store=store) is False
    assert (CompletionBatch.objects.count(), Task.objects.count(), Completion.objects.count()) == (1, 1, 2)


def test_equal_texts_are_asked_about_once(project, store, tmp_path):
    same, some, different = (make_prompt(project, name) for name in ("same", "some", "different"))
    texts = {same: ["a", "a ", "\na"], some: ["a", "b", "a"], different: ["a", "b", ""]}
    publish(store, [answer(p, text, n) for p, row in texts.items() for n, text in enumerate(row)], tmp_path)
    completion_batches_poll(store=store)
    batch = CompletionBatch.objects.get()
    assert (batch.completions_count, batch.tasks_opened) == (9, 2)
    assert (batch.same_text, batch.prompts_without_task) == (3, 1)
    asked = {
        task.prompt_id: [c.text for c in task.completions.order_by("task_completions")] for task in Task.objects.all()
    }
    assert asked == {some.pk: ["a", "b"], different.pk: ["a", "b", ""]}
    first = Completion.objects.get(prompt=some, model="model-0")
    assert first.task_completions.count() == 1  # the first of the equal ones is asked about
    assert Completion.objects.get(prompt=some, model="model-2").task_completions.count() == 0


def test_another_purpose_opens_no_tasks(project, store, tmp_path):
    prompt = make_prompt(project, "one")
    publish(store, [answer(prompt, "a", 0), answer(prompt, "b", 1)], tmp_path, purpose="evaluation")
    completion_batches_poll(store=store)
    assert (Completion.objects.count(), Task.objects.count()) == (2, 0)


def test_the_same_ids_of_two_runs_are_two_completions(project, store, tmp_path):
    prompt = make_prompt(project, "one")
    for run in ("7", "8"):
        publish(store, [answer(prompt, "a", 0), answer(prompt, "b", 1)], tmp_path, run=run)
    assert completion_batches_poll(store=store) == 2
    assert (Completion.objects.count(), Task.objects.count()) == (4, 2)
    assert not CompletionBatch.objects.exclude(error="").exists()


def test_bytes_that_the_database_cannot_keep_are_shown_as_replaced(project, store, tmp_path):
    prompt = make_prompt(project, "one")
    publish(store, [answer(prompt, "a\x00b", 0), answer(prompt, "plain", 1)], tmp_path)
    completion_batches_poll(store=store)
    assert {c.text for c in Completion.objects.all()} == {"a\ufffdb", "plain"}


def test_queries_do_not_grow_with_the_batch(project, store, tmp_path, django_assert_max_num_queries):
    prompts = [make_prompt(project, f"p{i}") for i in range(100)]
    publish(store, [answer(prompt, f"text {n}", n) for prompt in prompts for n in range(4)], tmp_path)
    with django_assert_max_num_queries(17):
        completion_batches_poll(store=store)
    assert CompletionBatch.objects.get().tasks_opened == 100


def unknown_prompt(project: Project) -> list[records.Completion]:
    return [records.Completion(id="x", prompt_id=str(uuid4()), text="a", model="m")]


def prompt_of_another_project(project: Project) -> list[records.Completion]:
    other = Project.objects.create(slug="other", name="Other")
    return [answer(make_prompt(other, "theirs"), "a", 0)]


def no_id_at_all(project: Project) -> list[records.Completion]:
    return [records.Completion(id="x", prompt_id="not-an-id", text="a", model="m")]


def one_id_twice(project: Project) -> list[records.Completion]:
    prompt = make_prompt(project, "one")
    return [answer(prompt, "a", 0), answer(prompt, "b", 0)]


def a_long_name(project: Project) -> list[records.Completion]:
    return [answer(make_prompt(project, "one"), "a", 0, model="m" * 121)]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (unknown_prompt, ", which Demo does not have."),
        (prompt_of_another_project, ", which Demo does not have."),
        (no_id_at_all, "The batch answers the prompt 'not-an-id', which Demo does not have."),
        (one_id_twice, "The batch has two completions with the id 'one-0'."),
        (a_long_name, "The model of completion 'one-0' is longer than 120 characters."),
    ],
)
def test_a_batch_that_contradicts_the_project_is_kept_as_a_row_with_the_reason(
    project, store, tmp_path, make, sentence
):
    publish(store, make(project), tmp_path)
    assert completion_batches_poll(store=store) == 1
    batch = CompletionBatch.objects.get()
    assert batch.error.endswith(sentence)
    assert (batch.project, batch.completions_count, batch.tasks_opened) == (project, 0, 0)
    assert not Completion.objects.exists()
    assert not Task.objects.exists()
    assert completion_batches_poll(store=store) == 0
    batch.delete()
    assert completion_batches_poll(store=store) == 1  # deleting the row tries again


def test_a_batch_of_an_unknown_project(store, tmp_path):
    publish(store, [], tmp_path, project="nobody")
    completion_batches_poll(store=store)
    batch = CompletionBatch.objects.get()
    assert batch.project is None
    assert batch.error == "The batch does not say which project it is of, or that project does not exist here."


@pytest.mark.parametrize("harm", ["changed", "missing", "manifest", "format", "line", "meta"])
def test_a_damaged_batch_is_kept_as_a_row_and_the_next_one_is_imported(project, store, tmp_path, harm):
    prompt = make_prompt(project, "one")
    digest = publish(store, [answer(prompt, "a", 0), answer(prompt, "b", 1)], tmp_path)
    directory = tmp_path / "store" / "completions" / digest
    if harm == "changed":
        path = directory / "completions.jsonl"
        path.write_text(path.read_text().replace("a", "e"))
    elif harm == "missing":
        (directory / "completions.jsonl").unlink()
    elif harm == "manifest":
        (directory / "manifest.json").write_text("{")
    else:
        other = tmp_path / "other"
        other.mkdir()
        (other / "completions.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
        meta = {"project": "demo", "purpose": "ranking"}
        form = "plumbline.snapshot" if harm == "format" else batches.FORMAT
        seal(other, format=form, version=1, meta={"project": ["demo"]} if harm == "meta" else meta)
        digest = store.put("completions", other)
    fine = publish(store, [answer(prompt, "c", 0), answer(prompt, "d", 1)], tmp_path, run="8")
    completion_batches_poll(store=store)
    broken = CompletionBatch.objects.get(digest=digest)
    assert broken.error.endswith(".")
    assert broken.tasks_opened == 0
    assert CompletionBatch.objects.get(digest=fine).tasks_opened == 1
    assert completion_batches_poll(store=store) == 0


@pytest.mark.django_db(transaction=True)
def test_workers_that_poll_at_once_import_once(project, store, tmp_path):
    prompt = make_prompt(project, "one")
    digest = publish(store, [answer(prompt, "a", 0), answer(prompt, "b", 1)], tmp_path)
    start, done = threading.Barrier(4), []

    def poll() -> None:
        start.wait()
        done.append(completion_batch_import(digest=digest, store=store))
        connection.close()

    threads = [threading.Thread(target=poll) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, False, True]
    assert (CompletionBatch.objects.get().error, Task.objects.count()) == ("", 1)


def test_a_task_asks_about_k_answers(project, store, tmp_path):
    project_setup_update(project=project, answers_per_task=2)
    prompt = make_prompt(project, "p")
    publish(store, [answer(prompt, f"text {n}", n) for n in range(5)], tmp_path)
    assert completion_batches_poll(store=store) == 1
    assert sorted(task.completions.count() for task in Task.objects.all()) == [2, 3]  # nobody ranks one alone
    assert CompletionBatch.objects.get().tasks_opened == 2
    assert Completion.objects.filter(tasks=None).count() == 0


def test_replies_to_a_turn_become_a_comparison_for_its_labeler(project, store, tmp_path):
    ada = make_labeler(project)
    answers_add(prompt=make_prompt(project, "p"), answers=[Answer("one"), Answer("two")], kind="comparison")
    first = assignment_claim_next(labeler=ada, project=project)
    ranking_submit(assignment_id=first.pk, labeler=ada, key="k", groups=[[i] for i in first.shown_order])
    turn = dialogue_continue(assignment_id=first.pk, labeler=ada, text="And then?")
    publish(store, [answer(turn, f"reply {n}", n) for n in range(3)], tmp_path)
    completion_batches_poll(store=store)
    task = CompletionBatch.objects.get().tasks.get()
    assert (task.kind, task.prompt, task.taken, task.priority) == ("comparison", turn, 1, 10)
    assert assignment_claim_next(labeler=ada, project=project).task == task
