"""Finding prompts."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from labeling.models import Prompt
from people.models import Project

MAX_SEARCH = 200
SEARCHED = 20_000  # prompts whose words are looked at: without an index, a million take ten seconds


def prompts_found(
    project: Project, *, search: str = "", split: str = "", authors: bool = True, in_use: bool | None = None
) -> QuerySet[Prompt]:
    """A project's prompts, newest last, of one split where given; with `search`, those of `prompts_saying`.

    `in_use` is true for those that curation left in use, false for those that it dropped, None for both. With
    `authors`, prompts are found by their author as well: not for who may not know the authors.
    """
    prompts = Prompt.objects.filter(project=project)
    if in_use is not None:
        prompts = prompts.filter(dropped_by__isnull=in_use)
    if split:
        prompts = prompts.filter(split=split)
    if words := search.strip()[:MAX_SEARCH]:
        prompts = prompts_saying(prompts, words, of=[project.pk], authors=authors)
    return prompts.order_by("created_at", "pk")


def prompts_saying(prompts: QuerySet[Prompt], words: str, *, of: list[int], authors: bool = True) -> QuerySet[Prompt]:
    """Those of that id, id in the source or author, in the projects `of`, each by its index; where there are none,
    those of the newest 20,000 whose text holds the words.
    """
    asked = Q(project__in=of, external_id=words)
    if authors:
        asked |= Q(project__in=of, author=words)
    with suppress(ValueError):
        asked |= Q(pk=UUID(words))
    named = prompts.filter(asked)
    if named.exists():
        return named
    newest = prompts.order_by("-created_at", "-pk")
    for created_at, pk in newest.values_list("created_at", "pk")[SEARCHED - 1 : SEARCHED]:
        prompts = prompts.filter(Q(created_at__gt=created_at) | Q(pk__gte=pk), created_at__gte=created_at)
    return prompts.annotate(words=Cast("messages", TextField())).filter(words__icontains=words)
