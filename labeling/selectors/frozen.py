"""A project's data as the records of a snapshot: in a fixed order, streamed, labelers under pseudonyms.

Labels that held-out labelers gave to training prompts are left out: nothing is learned from held-out people
(IG §3.4). All of it is read in the caller's transaction, which decides what "now" is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import groupby, islice
from typing import Any, TypeVar

from django.db.models import Count, Q, QuerySet

from exchange import records
from labeling.agreement import INTERVAL_RULE, RULE, Groups, agreement_ceiling
from labeling.models import Completion, Demonstration, Prompt, Provenance, Ranking, Split, Task
from labeling.pseudonyms import account_key, source_key
from people.models import Cohort, Membership, Project

_AT_ONCE = 500
Pseudonym = Callable[[str], str]
LabelRow = TypeVar("LabelRow", Demonstration, Ranking)


class BrokenLabel(Exception):
    """A label cannot be frozen as it is. The message is one sentence that names it."""


def frozen_prompts(project: Project) -> Iterator[records.Prompt]:
    """All prompts in use, by id."""
    for prompt in Prompt.objects.filter(project=project, dropped_by=None).order_by("pk").iterator(chunk_size=_AT_ONCE):
        yield records.Prompt(
            id=str(prompt.pk),
            messages=_messages(prompt),
            split=prompt.split,
            category=prompt.category,
            source=prompt.source,
        )


def frozen_demonstrations(project: Project, pseudonym: Pseudonym) -> Iterator[records.Demonstration]:
    """All demonstrations that may be learned from or evaluated on, by id."""
    rows = _usable(Demonstration, project).select_related("prompt").order_by("pk")
    for row in rows.iterator(chunk_size=_AT_ONCE):
        yield records.Demonstration(completion=row.text, **_shared(row, pseudonym))


def frozen_rankings(project: Project, pseudonym: Pseudonym) -> Iterator[records.RankingGroup]:
    """All whole ranking groups that may be learned from or evaluated on, by id.

    Within a group completions are ordered by id, so that their order says nothing of their rank.
    Raises BrokenLabel for a ranking whose completions are no longer there.
    """
    rows = _usable(Ranking, project).select_related("prompt", "assignment__task").order_by("pk")
    held_out = set(_held_out_members(project))
    for block in _blocks(rows.iterator(chunk_size=_AT_ONCE)):
        ids = {i for row in block for group in row.groups for i in group}
        completions = {str(pk): completion for pk, completion in Completion.objects.in_bulk(ids).items()}
        for row in block:
            ranks = {i: rank for rank, group in enumerate(row.groups) for i in group}
            if missing := sorted(ranks.keys() - completions.keys()):
                raise BrokenLabel(f"Ranking {row.pk} names the completion {missing[0]}, which is no longer there.")
            order = sorted(ranks)
            yield records.RankingGroup(
                completions=tuple(
                    records.RankedCompletion(id=i, text=completions[i].text, model=completions[i].model) for i in order
                ),
                ranks=tuple(ranks[i] for i in order),
                strengths=tuple(row.strengths or ()),
                cohort=_cohort(row, held_out),
                all_bad=row.all_bad,
                **_shared(row, pseudonym),
            )


def frozen_facts(project: Project) -> dict[str, Any]:
    """What a snapshot's manifest says about its labels: how many of which provenance, and what was left out."""
    kinds: dict[str, type[Demonstration] | type[Ranking]] = {"demonstrations": Demonstration, "rankings": Ranking}
    return {
        "provenance": {name: _by_provenance(_usable(kind, project)) for name, kind in kinds.items()},
        "left_out": {
            "prompts_out_of_use": Prompt.objects.filter(project=project, dropped_by__isnull=False).count(),
            **{
                f"{name}_of_held_out_labelers_in_training_split": kind.objects.filter(prompt__project=project)
                .filter(_held_out_in_training(project))
                .count()
                for name, kind in kinds.items()
            },
        },
    }


def frozen_agreement(project: Project) -> dict[str, Any]:
    """How far people agree on the rankings of the snapshot, with rule, number and interval; empty where no prompt was
    ranked by two people. Only rankings of the same completions are compared, one of each person. Where no two people
    can be compared it is of simulated labelers, and says so.
    """
    for simulated in (False, True):
        ceiling = agreement_ceiling(_rankings_by_prompt(project, simulated=simulated))
        if ceiling is not None:
            told = {**asdict(ceiling), "rule": RULE, "interval_rule": INTERVAL_RULE}
            return {**told, "simulated": True} if simulated else told
    return {}


def _rankings_by_prompt(project: Project, *, simulated: bool) -> Iterator[list[Groups]]:
    rows = _usable(Ranking, project).filter(Q(labeler__isnull=False) | ~Q(source_labeler=""))
    of_these = Q(provenance=Provenance.SIMULATED)
    rows = rows.filter(of_these if simulated else ~of_these)
    values = rows.order_by("prompt_id", "pk").values_list("prompt_id", "labeler_id", "source_labeler", "groups")
    for _, block in groupby(values.iterator(chunk_size=_AT_ONCE), key=lambda row: row[0]):
        asked: dict[frozenset[str], dict[Any, Groups]] = {}
        for _, labeler, source, groups in block:
            completions = frozenset(i for group in groups for i in group)
            asked.setdefault(completions, {}).setdefault(labeler or source, groups)
        yield from (list(people.values()) for people in asked.values() if len(people) > 1)


def _held_out_in_training(project: Project) -> Q:
    """Labels on training prompts by who is held out now, or was when the task's lane gave it to them."""
    held_out = _held_out_members(project)
    lane = Q(assignment__task__lane=Cohort.HELD_OUT) | Q(assignment__task__lane__startswith=f"{Cohort.HELD_OUT}:")
    return Q(prompt__split=Split.TRAIN) & (Q(labeler__in=held_out) | lane)


def _held_out_members(project: Project) -> QuerySet[Membership, int]:
    members = Membership.objects.filter(project=project, cohort=Cohort.HELD_OUT)
    return members.values_list("user_id", flat=True)


def _cohort(row: Ranking, held_out: set[int]) -> str:
    """The labeler's cohort by the same rule as `_held_out_in_training`; empty where nobody of the project gave it."""
    if row.labeler_id is None:
        return ""
    lane = row.assignment.task.lane if row.assignment else ""
    if row.labeler_id in held_out or lane.partition(":")[0] == Cohort.HELD_OUT:
        return Cohort.HELD_OUT.value
    return Cohort.TRAINING.value


def _usable(kind: type[LabelRow], project: Project) -> QuerySet[LabelRow]:
    """The labels that stand: not superseded by a correction, not given to evaluate models, not on prompts that
    curation took out of use, and not of held-out people on training prompts.
    """
    standing = kind.objects.filter(prompt__project=project, prompt__dropped_by=None, superseded_at=None)
    return standing.exclude(assignment__task__kind=Task.Kind.EVALUATION).exclude(_held_out_in_training(project))


def _by_provenance(rows: QuerySet[Any]) -> dict[str, int]:
    return dict(rows.order_by("provenance").values_list("provenance").annotate(count=Count("pk")))


def _blocks(rows: Iterator[Ranking]) -> Iterator[list[Ranking]]:
    while block := list(islice(rows, _AT_ONCE)):
        yield block


def _messages(prompt: Prompt) -> tuple[records.Message, ...]:
    return tuple(records.Message(message["role"], message["content"]) for message in prompt.messages)


def _shared(row: Demonstration | Ranking, pseudonym: Pseudonym) -> dict[str, Any]:
    if row.labeler_id is not None:
        labeler = pseudonym(account_key(row.labeler_id))
    else:
        labeler = pseudonym(source_key(row.source_labeler)) if row.source_labeler else ""
    prompt = row.prompt
    return {
        "id": str(row.pk),
        "prompt_id": str(prompt.pk),
        "messages": _messages(prompt),
        "split": prompt.split,
        "labeler": labeler,
        "provenance": Provenance(row.provenance).value,
        "instructions_version": row.instructions_version,
        "category": prompt.category,
    }
