"""Questions and answers on a task. A thread is a task and the labeler who asked.

A labeler asks about a task that they have or had; reviewers and managers answer, to the asker or to everyone who
labels the task. A question stays open until it is answered or somebody says that it needs no answer.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from exchange.text import written
from labeling.models import Assignment, Post, Task
from people.access import LABELING, REVIEWING, has_role
from people.models import User
from people.refusals import Refused

TEXT_MAX = 5_000
THREAD_MAX = 500


@transaction.atomic
def question_ask(*, assignment: Assignment, labeler: User, text: str) -> tuple[Post, bool]:
    """Ask the team about the task of an own assignment; returns the post and whether it is new.

    The same words again right away add nothing. Raises Refused for an empty or overlong text and for a task that is
    not the labeler's.
    """
    text = _clean(text, "question")
    task = _lock(assignment.task_id)
    if assignment.labeler_id != labeler.pk or not has_role(labeler, task.project, LABELING):
        raise Refused("There is no such assignment.")
    return _add(task=task, author=labeler, asked_by=labeler, text=text, to_all=False)


@transaction.atomic
def answer_give(
    *, task: Task, author: User, text: str, asker: User | None = None, to_all: bool = False
) -> tuple[Post, bool]:
    """Answer the asker, everyone who labels the task, or both; settles the asker's open questions.

    Without an asker it is a word to all. The same words again right away add nothing. Raises Refused for an empty or
    overlong text, an asker who has not asked, and an author who neither reviews nor manages.
    """
    text = _clean(text, "answer")
    task = _lock(task.pk)
    if not has_role(author, task.project, REVIEWING):
        raise Refused("Only reviewers and managers answer.")
    if asker is None and not to_all:
        raise Refused("Say whom it is for: the person who asked, or everyone who labels this task.")
    questions = Post.objects.filter(task=task, asked_by=asker, author=asker)
    if asker is not None and not questions.exists():
        raise Refused("This person has asked nothing on this task.")
    added = _add(task=task, author=author, asked_by=asker, text=text, to_all=to_all)
    if asker is not None and asker.pk != author.pk:
        questions.filter(settled_at=None).update(settled_at=timezone.now())
    return added


def questions_settle(*, task: Task, asker: User, by: User) -> int:
    """Say that what the asker still asks on the task needs no answer; returns how many questions were open."""
    if not has_role(by, task.project, REVIEWING):
        raise Refused("Only reviewers and managers settle questions.")
    return Post.objects.filter(task=task, asked_by=asker, author=asker, settled_at=None).update(
        settled_at=timezone.now()
    )


def answers_mark_seen(*, task: Task, labeler: User) -> int:
    """Note that the asker saw the answers; returns how many were new."""
    new = Post.objects.filter(task=task, asked_by=labeler, seen_at=None).exclude(author=labeler)
    return new.update(seen_at=timezone.now())


def _clean(text: str, what: str) -> str:
    text = written(text)
    if not text:
        raise Refused(f"The {what} is empty; write it first.")
    if len(text) > TEXT_MAX:
        raise Refused(f"The {what} is {len(text):,} characters long; keep it to {TEXT_MAX:,}.")
    return text


def _lock(task_id: int) -> Task:
    """The task, locked, so that posts on it come one after the other."""
    return Task.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=task_id)


def _add(*, task: Task, author: User, asked_by: User | None, text: str, to_all: bool) -> tuple[Post, bool]:
    thread = Post.objects.filter(task=task, asked_by=asked_by).order_by("-created_at", "-pk")
    last = thread.first()
    is_same = last is not None and (last.author_id, last.text, last.to_all) == (author.pk, text, to_all)
    if last is not None and is_same and last.settled_at is None:  # what was settled is asked anew
        return last, False
    if thread.count() >= THREAD_MAX:
        raise Refused(f"This thread has {THREAD_MAX} posts; talk about it elsewhere.")
    return Post.objects.create(task=task, author=author, asked_by=asked_by, text=text, to_all=to_all), True
