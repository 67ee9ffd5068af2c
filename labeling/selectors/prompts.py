"""Finding prompts."""

from __future__ import annotations

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from labeling.models import Prompt
from people.models import Project

MAX_SEARCH = 200


def prompts_found(
    project: Project, *, search: str = "", split: str = "", authors: bool = True, in_use: bool | None = None
) -> QuerySet[Prompt]:
    """A project's prompts, newest last, of one split where given; those whose words or id hold `search`.

    `in_use` is true for those that curation left in use, false for those that it dropped, None for both.

    With `authors`, those whose author holds it too: not for who may not know the authors.
    """
    prompts = Prompt.objects.filter(project=project)
    if in_use is not None:
        prompts = prompts.filter(dropped_by__isnull=in_use)
    if split:
        prompts = prompts.filter(split=split)
    if words := search.strip()[:MAX_SEARCH]:
        asked = Q(words__icontains=words) | Q(external_id__icontains=words)
        if authors:
            asked |= Q(author__icontains=words)
        prompts = prompts.annotate(words=Cast("messages", TextField())).filter(asked)
    return prompts.order_by("created_at", "pk")
