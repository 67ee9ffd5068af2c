"""The first page: what the signed-in person can do now. It stands here since it looks into both halves."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from labeling.selectors.progress import progress_of, work_of
from people.access import FOLLOWING, MANAGING, TRAINING, projects_for
from people.models import User
from training.models import Run

_LATEST = 5


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Queues for labelers, data for managers, the latest runs for those who follow them."""
    user = cast(User, request.user)
    followed = projects_for(user, FOLLOWING)
    return render(
        request,
        "home.html",
        {
            "queues": work_of(user, progress_of(user)),
            "managed": projects_for(user, MANAGING),
            "may_follow": followed.exists(),
            "may_train": projects_for(user, TRAINING).exists(),
            "runs": Run.objects.filter(project__in=followed).select_related("project")[:_LATEST],
        },
    )
