"""Threads on tasks: what a labeler may read of them, and what waits for an answer."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from labeling.models import Assignment, Post, Task
from people.access import REVIEWING, projects_for
from people.models import Project, User


@dataclass(frozen=True)
class Thread:
    """One labeler's questions on a task with their answers; `asker` is None for words to all without a question."""

    asker: User | None
    posts: list[Post]

    @property
    def is_open(self) -> bool:
        """Whether a question in it waits for an answer."""
        return any(post.settled_at is None and post.author_id == post.asked_by_id for post in self.posts)


def posts_for(labeler: User, task: Task) -> list[Post]:
    """What a labeler of the task reads: the own thread and what was said to all, oldest first."""
    mine = Q(asked_by=labeler) | Q(to_all=True)
    return list(Post.objects.filter(mine, task=task).select_related("author", "asked_by"))


def threads_of(task: Task) -> list[Thread]:
    """All threads on a task, for reviewers and managers; those with an open question first, else by time."""
    found: dict[int | None, Thread] = {}
    for post in Post.objects.filter(task=task).select_related("author", "asked_by"):
        found.setdefault(post.asked_by_id, Thread(post.asked_by, [])).posts.append(post)
    return sorted(found.values(), key=lambda thread: not thread.is_open)


def questions_open(project: Project) -> QuerySet[Post]:
    """The project's questions that nobody has answered or settled, oldest first."""
    return _questions(project).filter(settled_at=None).order_by("created_at", "pk")


def questions_settled(project: Project) -> QuerySet[Post]:
    """Those that were answered or found to need no answer, newest first."""
    return _questions(project).exclude(settled_at=None).order_by("-created_at", "-pk")


def questions_open_count(user: User) -> dict[str, int]:
    """How many questions wait in each project that the user reviews or manages, by its slug."""
    found: dict[str, int] = {}
    waiting = Post.objects.filter(
        task__project__in=projects_for(user, REVIEWING), settled_at=None, asked_by=F("author")
    )
    for slug in waiting.values_list("task__project__slug", flat=True):
        found[slug] = found.get(slug, 0) + 1
    return found


def answers_unread(labeler: User) -> list[Post]:
    """Answers to the labeler's questions that they have not seen yet, newest first, at most 50.

    Each has `assignment_id`: the labeler's assignment of the task.
    """
    mine = Assignment.objects.filter(task=OuterRef("task"), labeler=labeler).values("pk")
    new = Post.objects.filter(asked_by=labeler, seen_at=None).exclude(author=labeler)
    new = new.annotate(assignment_id=Subquery(mine))
    return list(new.select_related("task__prompt", "task__project", "author", "asked_by").order_by("-created_at")[:50])


def _questions(project: Project) -> QuerySet[Post]:
    asked = Post.objects.filter(task__project=project, asked_by=F("author"))
    return asked.select_related("author", "asked_by", "task__prompt")
