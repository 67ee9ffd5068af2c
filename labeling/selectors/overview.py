"""Where a project's data stands: counts of prompts, labels and open work."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, QuerySet, Sum

from labeling.models import Demonstration, Prompt, Ranking, Split, Task
from labeling.selectors.tasks import tasks_open
from people.models import Project


@dataclass(frozen=True)
class Overview:
    """Counts of one project. `tasks_open` counts tasks that still want labels, `labels_wanted` how many they want;
    `prompts` counts those in use by split, `out_of_use` those that curation dropped.
    """

    prompts: dict[str, int]
    out_of_use: int
    demonstrations: dict[str, int]
    rankings: dict[str, int]
    tasks_open: dict[str, int]
    labels_wanted: dict[str, int]


def project_overview(project: Project) -> Overview:
    """Prompts in use by split, labels by provenance, open tasks by kind; each split and kind is named, also with 0."""
    tasks = (
        tasks_open(project)
        .order_by("kind")
        .values_list("kind")
        .annotate(count=Count("pk"), slots=Sum(F("labels") - F("taken")))
    )
    # Two counts that indexes answer, where one of the prompts in use would read them all.
    came = _counts(Prompt.objects.filter(project=project), "split")
    dropped = _counts(Prompt.objects.filter(project=project, dropped_by__isnull=False), "split")
    by_kind = {kind: (count, slots) for kind, count, slots in tasks}
    return Overview(
        prompts={split: came.get(split, 0) - dropped.get(split, 0) for split in Split.values},
        out_of_use=sum(dropped.values()),
        demonstrations=_counts(Demonstration.objects.filter(prompt__project=project), "provenance"),
        rankings=_counts(Ranking.objects.filter(prompt__project=project), "provenance"),
        tasks_open={kind: by_kind.get(kind, (0, 0))[0] for kind in Task.Kind.values},
        labels_wanted={kind: by_kind.get(kind, (0, 0))[1] for kind in Task.Kind.values},
    )


def _counts(rows: QuerySet[Prompt] | QuerySet[Demonstration] | QuerySet[Ranking], field: str) -> dict[str, int]:
    return dict(rows.order_by(field).values_list(field).annotate(count=Count("pk")))
