"""Two answers side by side, word by word."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeling.diff import difference, share_kept
from labeling.rankings import letter
from labeling.selectors.assignments import completions_shown
from labeling.views.workplace import assignment_own


@login_required
@require_GET
def label_compare(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The difference between the answers `?left=A&right=B` of a task; htmx asks for it alone."""
    assignment = assignment_own(request, pk)
    texts = {letter(index): one.text for index, one in enumerate(completions_shown(assignment))}
    if len(texts) < 2:
        raise Http404("This task has no answers to compare.")
    letters = list(texts)
    left = request.GET.get("left", "")
    left = left if left in texts else letters[0]
    right = request.GET.get("right", "")
    if right not in texts:
        right = letters[(letters.index(left) + 1) % len(letters)]
    pieces = difference(texts[left], texts[right])
    in_dialog = "HX-Request" in request.headers
    context = {
        "assignment": assignment,
        "letters": letters,
        "left": left,
        "right": right,
        "pieces": pieces,
        # Rounded down, so that only the same text is 100.
        "percent": int(100 * share_kept(pieces)),
        "in_dialog": in_dialog,
    }
    return render(request, "labeling/compare_body.html" if in_dialog else "labeling/compare.html", context)
