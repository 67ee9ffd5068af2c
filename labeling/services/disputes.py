"""Ask for one more label where people disagree."""

from __future__ import annotations

from labeling.agreement import labels_after_dispute, mean_agreement
from labeling.models import Ranking, Task
from labeling.selectors.tasks import Terms


def task_ask_again(*, task: Task, terms: Terms) -> bool:
    """Let the task want one more label where all wanted rankings are in and their labelers disagree.

    Up to the project's `max_labels`, which 0 turns off. Late labels count as well: they are opinions too. Before: the
    task's row is locked. Returns whether it wants more now.
    """
    if not terms.max_labels or task.kind == Task.Kind.DEMONSTRATION:
        return False
    standing = Ranking.objects.filter(assignment__task=task, superseded_at=None, assignment__state="submitted")
    rankings = list(standing.order_by().values_list("groups", flat=True))
    wanted = terms.labels_wanted(task)
    again = labels_after_dispute(
        labels=len(rankings),
        wanted=wanted,
        agreement=mean_agreement(rankings),
        floor=terms.agreement_floor / 100,
        limit=terms.max_labels,
    )
    if again > wanted:
        Task.objects.filter(pk=task.pk).update(wanted=again)
        task.wanted = again
    return again > wanted
