"""A project with labelers, tasks and completions, for the tests of the workplace."""

from __future__ import annotations

from django.db.models import F

from labeling.models import Completion, Instructions, ProjectSetup, Prompt, Task, TaskCompletion
from labeling.selectors.tasks import labels_wanted
from people.models import Membership, Project, Role, User


def make_project(slug: str = "everyday", *, lease_minutes: int = 15, **values) -> Project:
    project = Project.objects.create(slug=slug, name=values.pop("name", "Everyday assistant"), **values)
    ProjectSetup.objects.create(project=project, lease_minutes=lease_minutes)
    return project


def make_labeler(project: Project, username: str = "ada", *, role: str = Role.LABELER, **values) -> User:
    user = User.objects.create_user(username, password=values.pop("password", None), **values)
    Membership.objects.create(user=user, project=project, role=role)
    return user


def make_prompt(project: Project, text: str = "How do I keep basil alive?", **values) -> Prompt:
    number = Prompt.objects.filter(project=project).count()
    messages = values.pop("messages", [{"role": "user", "content": text}])
    return Prompt.objects.create(
        project=project, external_id=f"p{number}", messages=messages, author=f"a{number}", split="train", **values
    )


def make_demonstration_task(project: Project, *, overlap: int = 1, prompt: Prompt | None = None, **values) -> Task:
    return Task.objects.create(
        project=project,
        prompt=prompt or make_prompt(project),
        kind=Task.Kind.DEMONSTRATION,
        wanted=wanted_alone(project, overlap),
        **values,
    )


def make_ranking_task(
    project: Project,
    texts: tuple[str, ...] = ("first", "second", "third"),
    *,
    overlap: int = 1,
    prompt: Prompt | None = None,
    **values,
) -> Task:
    prompt = prompt or make_prompt(project)
    task = Task.objects.create(
        project=project, prompt=prompt, kind=Task.Kind.RANKING, wanted=wanted_alone(project, overlap), **values
    )
    for position, text in enumerate(texts):
        completion = Completion.objects.create(
            prompt=prompt, external_id=f"{task.pk}-{position}", text=text, model=f"secret-model-{position}"
        )
        TaskCompletion.objects.create(task=task, completion=completion, position=position)
    return task


def wanted_alone(project: Project, overlap: int) -> int | None:
    """What a task says itself, so that it wants `overlap` labels: nothing where the project says the same."""
    setup = ProjectSetup.objects.filter(project=project).first() or ProjectSetup()
    return None if overlap == setup.overlap else overlap


def open_slots(task: Task) -> int:
    """Labels that the task still wants from somebody."""
    task.refresh_from_db()
    return Task.objects.filter(pk=task.pk).values_list(labels_wanted() - F("taken"), flat=True).get()


def completion_ids(task: Task) -> list[str]:
    """The task's completions in its own order, not in a labeler's."""
    return [str(tc.completion_id) for tc in task.task_completions.all()]


def make_instructions(
    project: Project, version: int = 1, text: str = "**Helpful first.** Then truth and harm."
) -> Instructions:
    return Instructions.objects.create(project=project, version=version, text=text, change_note=f"Change {version}")
