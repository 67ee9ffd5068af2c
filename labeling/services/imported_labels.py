"""Labels that come with imported prompts: demonstrations, completions and their rankings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from labeling.formats.parsed import ParsedPrompt, ParsedRanking, Problem
from labeling.models import Completion, Demonstration, Provenance, Ranking

_Key = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A numbered row whose prompt is in the project. `is_new`: since this block."""

    line: int
    row: ParsedPrompt
    prompt_id: UUID
    is_new: bool


def labels_add(accepted: Sequence[Accepted], counts: Counter[str], problems: list[Problem]) -> None:
    """Add the labels of the rows; count what was added or was there already, list what contradicts what is there.

    The number of queries does not depend on the number of rows; without labels there is none.
    """
    labelled = [one for one in accepted if one.row.demonstrations or one.row.rankings]
    old = list({one.prompt_id for one in labelled if not one.is_new})
    _add_demonstrations(labelled, old, counts, problems)
    _add_rankings(labelled, old, counts, problems)


def _add_demonstrations(
    accepted: list[Accepted], old: list[UUID], counts: Counter[str], problems: list[Problem]
) -> None:
    known: dict[_Key, str] = {}
    if old:
        rows = Demonstration.objects.filter(prompt__in=old).exclude(external_id="")
        known = {(key, name): text for key, name, text in rows.values_list("prompt_id", "external_id", "text")}
    new = []
    for one in accepted:
        for parsed in one.row.demonstrations:
            key = (one.prompt_id, parsed.external_id)
            if key not in known:
                known[key] = parsed.text
                new.append(
                    Demonstration(
                        prompt_id=one.prompt_id,
                        external_id=parsed.external_id,
                        text=parsed.text,
                        provenance=Provenance.IMPORTED,
                        source_labeler=parsed.labeler,
                    )
                )
            elif known[key] == parsed.text:
                counts["demonstrations_unchanged"] += 1
            else:
                name = one.row.external_id
                reason = f"the prompt {name!r} has another demonstration with the id {parsed.external_id!r}"
                problems.append(Problem(one.line, reason))
    Demonstration.objects.bulk_create(new)
    counts["demonstrations"] += len(new)


def _add_rankings(accepted: list[Accepted], old: list[UUID], counts: Counter[str], problems: list[Problem]) -> None:
    completions: dict[_Key, Completion] = {}
    known: dict[_Key, list[list[str]]] = {}
    ids = {c.external_id for one in accepted for parsed in one.row.rankings for c in parsed.completions}
    if old and ids:
        found = Completion.objects.filter(prompt__in=old, external_id__in=ids)
        completions = {(completion.prompt_id, completion.external_id): completion for completion in found}
        ranked = Ranking.objects.filter(prompt__in=old).exclude(external_id="")
        known = {(ranking.prompt_id, ranking.external_id): ranking.groups for ranking in ranked}
    new_completions: list[Completion] = []
    new_rankings: list[Ranking] = []
    for one in accepted:
        for parsed in one.row.rankings:
            fresh, changed = _match_completions(one.prompt_id, parsed, completions)
            if changed is not None:
                reason = f"the prompt {one.row.external_id!r} has another completion with the id {changed!r}"
                problems.append(Problem(one.line, reason))
                continue
            completions |= fresh
            new_completions += fresh.values()
            groups = [[str(completions[one.prompt_id, i].pk) for i in group] for group in parsed.groups]
            key = (one.prompt_id, parsed.external_id)
            if key not in known:
                known[key] = groups
                new_rankings.append(
                    Ranking(
                        prompt_id=one.prompt_id,
                        external_id=parsed.external_id,
                        groups=groups,
                        provenance=Provenance.IMPORTED,
                        source_labeler=parsed.labeler,
                    )
                )
            elif [set(group) for group in known[key]] == [set(group) for group in groups]:
                counts["rankings_unchanged"] += 1
            else:
                reason = f"the prompt {one.row.external_id!r} has another ranking with the id {parsed.external_id!r}"
                problems.append(Problem(one.line, reason))
    Completion.objects.bulk_create(new_completions)
    Ranking.objects.bulk_create(new_rankings)
    counts["completions"] += len(new_completions)
    counts["rankings"] += len(new_rankings)


def _match_completions(
    prompt_id: UUID, parsed: ParsedRanking, known: dict[_Key, Completion]
) -> tuple[dict[_Key, Completion], str | None]:
    """The ranking's completions that are new, and the external id of one that is known with another text."""
    fresh: dict[_Key, Completion] = {}
    for completion in parsed.completions:
        found = known.get((prompt_id, completion.external_id))
        if found is None:
            fresh[prompt_id, completion.external_id] = Completion(
                prompt_id=prompt_id, external_id=completion.external_id, text=completion.text, model=completion.model
            )
        elif found.text != completion.text:
            return {}, completion.external_id
    return fresh, None
