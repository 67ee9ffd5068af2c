"""Questions and answers on tasks, and announcements: the labeler's side and the team's."""

from __future__ import annotations

import uuid
from datetime import datetime, time
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.models import Announcement, Post, Task
from labeling.permissions import project_get
from labeling.selectors.progress import announcements_for
from labeling.selectors.talk import posts_for, questions_open, questions_settled, threads_of
from labeling.selectors.troubles import flags_by
from labeling.services.announcements import announcement_add, announcement_end
from labeling.services.flags import flag_raise
from labeling.services.posts import answer_give, answers_mark_seen, question_ask, questions_settle
from labeling.views.workplace import assignment_own
from people.access import MANAGING, REVIEWING, has_role
from people.models import Project, User
from people.refusals import Refused

PAGE = 30


@login_required
@require_http_methods(["GET", "POST"])
def label_talk(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """My questions and flags on a task, and the answers; POST adds one. htmx gets the thread alone."""
    assignment = assignment_own(request, pk)
    refusal = ""
    if request.method == "POST":
        text = request.POST.get("text", "")
        try:
            if "flag" in request.POST:
                flag_raise(assignment_id=pk, labeler=_user(request), note=text)
            else:
                question_ask(assignment=assignment, labeler=_user(request), text=text)
        except Refused as refused:
            refusal = str(refused)
        else:
            if not request.headers.get("HX-Request"):
                return redirect("label-talk", pk)
    shown = {
        "assignment": assignment,
        "project": assignment.task.project,
        "prompt": assignment.task.prompt,
        "posts": posts_for(_user(request), assignment.task),
        "flags": flags_by(_user(request), assignment.task),
        "refusal": refusal,
        "text": request.POST.get("text", "") if refusal else "",
    }
    template = "labeling/talk_thread.html" if request.headers.get("HX-Request") else "labeling/talk.html"
    page = render(request, template, shown, status=400 if refusal else 200)
    answers_mark_seen(task=assignment.task, labeler=_user(request))
    return page


@login_required
@require_GET
def talk_project(request: HttpRequest, slug: str) -> HttpResponse:
    """For reviewers and managers: questions that wait for an answer, oldest first, or those that do not any more."""
    return _project_page(request, project_get(request.user, slug, REVIEWING))


def _project_page(request: HttpRequest, project: Project, refusal: str = "") -> HttpResponse:
    """The page; with a refusal it holds the announcement that was not made."""
    settled = request.GET.get("show") == "settled"
    questions = questions_settled(project) if settled else questions_open(project)
    shown = {
        "project": project,
        "settled": settled,
        "page": Paginator(questions, PAGE).get_page(request.GET.get("page")),
        "announcements": announcements_for([project]),
        "may_announce": has_role(request.user, project, MANAGING),
        "part": "talk",
        "refusal": refusal,
        "text": request.POST.get("text", "") if refusal else "",
        "until": request.POST.get("until", "") if refusal else "",
    }
    return render(request, "labeling/talk_project.html", shown, status=400 if refusal else 200)


@login_required
@require_http_methods(["GET", "POST"])
def talk_task(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """All threads on a task; POST answers one, says something to all, or settles a question without words."""
    project = project_get(request.user, slug, REVIEWING)
    task = Task.objects.select_related("prompt", "project").filter(project=project, pk=pk).first()
    if task is None:
        raise Http404("There is no such task.")
    refusal = ""
    if request.method == "POST":
        try:
            _answer(request, task)
            return redirect("talk-task", slug, pk)
        except Refused as refused:
            refusal = str(refused)
    shown = {
        "project": project,
        "task": task,
        "prompt": task.prompt,
        "threads": threads_of(task),
        "refusal": refusal,
        "text": request.POST.get("text", "") if refusal else "",
        "asker": request.POST.get("asker", ""),
        "to_all": bool(refusal and request.POST.get("to_all")),
        "part": "talk",
    }
    return render(request, "labeling/talk_task.html", shown, status=400 if refusal else 200)


@login_required
@require_POST
def talk_announce(request: HttpRequest, slug: str) -> HttpResponse:
    """Announce something to all labelers of the project, until the end of a day where one is given."""
    project = project_get(request.user, slug, MANAGING)
    try:
        announcement_add(
            project=project,
            author=_user(request),
            text=request.POST.get("text", ""),
            ends_at=_end_of_day(request.POST.get("until", "")),
        )
    except Refused as refused:
        return _project_page(request, project, str(refused))
    messages.success(request, "Announced: labelers see it on their work page.")
    shown = "?show=settled" if request.GET.get("show") == "settled" else ""
    return redirect(reverse("talk-project", args=[slug]) + shown)


@login_required
@require_POST
def talk_announcement_end(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show an announcement no longer."""
    project = project_get(request.user, slug, MANAGING)
    announcement = get_object_or_404(Announcement, project=project, pk=pk)
    announcement_end(announcement=announcement, by=_user(request))
    return redirect("talk-project", slug)


def _answer(request: HttpRequest, task: Task) -> None:
    asker = _asker(task, request.POST.get("asker", ""))
    if request.POST.get("settle") and asker is not None:
        questions_settle(task=task, asker=asker, by=_user(request))
        return
    answer_give(
        task=task,
        author=_user(request),
        text=request.POST.get("text", ""),
        asker=asker,
        to_all=asker is None or bool(request.POST.get("to_all")),
    )


def _asker(task: Task, text: str) -> User | None:
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    asked = Post.objects.filter(task=task, asked_by=number).select_related("asked_by").first()
    if asked is None:
        raise Refused("This person has asked nothing on this task.")
    return asked.asked_by


def _end_of_day(text: str) -> datetime | None:
    try:
        day = parse_date(text)
    except ValueError as error:
        raise Refused(f"{text[:40]!r} is no day.") from error
    if day is None:
        if text:
            raise Refused(f"{text[:40]!r} is no day.")
        return None
    return timezone.make_aware(datetime.combine(day, time.max))


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
