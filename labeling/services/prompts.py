"""Adding parsed prompts, with the labels that came with them, to a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

from labeling.formats.parsed import ParsedPrompt, ParsedRanking, Problem
from labeling.models import Completion, Demonstration, Import, ProjectSetup, Prompt, Provenance, Ranking, Task
from labeling.splits import split_of

Row = tuple[int, ParsedPrompt]
_Accepted = tuple[int, ParsedPrompt, Prompt]
_Key = tuple[UUID, str]


@dataclass
class Added:
    """What came of some rows: counts of what was added or was there already, and the rows that contradict it."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def prompts_add(*, source: Import, setup: ProjectSetup, rows: Sequence[Row]) -> Added:
    """Add numbered rows to the project of `source`. The number of queries does not depend on the number of rows.

    Before: the caller holds a transaction and the lock of `setup`, so that no other import draws splits meanwhile.
    After: what is new is added; what is there already, by external id, is unchanged; a row that says something else
    than what is there is a problem and adds nothing. A known author's new prompts take the author's split.
    """
    added = Added()
    accepted, new = _add_prompts(source, setup, rows, added)
    old = [prompt.pk for _, _, prompt in accepted if prompt.pk not in new]
    demonstrated = _add_demonstrations(accepted, old, added)
    _add_rankings(accepted, old, added)
    if setup.open_demonstrations:
        waiting = [prompt_id for prompt_id in new if prompt_id not in demonstrated]
        Task.objects.bulk_create(
            Task(
                project_id=source.project_id,
                prompt_id=prompt_id,
                kind=Task.Kind.DEMONSTRATION,
                overlap=setup.overlap,
                open_slots=setup.overlap,
            )
            for prompt_id in waiting
        )
        added.counts["tasks"] += len(waiting)
    return added


def _add_prompts(
    source: Import, setup: ProjectSetup, rows: Sequence[Row], added: Added
) -> tuple[list[_Accepted], dict[UUID, Prompt]]:
    project = source.project
    known = {
        prompt.external_id: prompt
        for prompt in Prompt.objects.filter(project=project, external_id__in={row.external_id for _, row in rows})
    }
    authors = dict(
        Prompt.objects.filter(project=project, author__in={row.author for _, row in rows})
        .order_by()
        .values_list("author", "split")
        .distinct()
    )
    accepted: list[_Accepted] = []
    new: dict[UUID, Prompt] = {}
    for line, row in rows:
        messages = [asdict(message) for message in row.messages]
        prompt = known.get(row.external_id)
        if prompt is None:
            split = authors.setdefault(
                row.author,
                split_of(
                    row.author,
                    project=project.slug,
                    valid_percent=setup.valid_percent,
                    test_percent=setup.test_percent,
                ),
            )
            prompt = Prompt(
                project=project,
                external_id=row.external_id,
                messages=messages,
                author=row.author,
                source=row.source,
                category=row.category,
                language=row.language,
                split=split,
                imported_by=source,
            )
            known[row.external_id] = new[prompt.pk] = prompt
        elif prompt.messages != messages:
            added.problems.append(Problem(line, f"the project has another prompt with the id {row.external_id!r}"))
            continue
        else:
            added.counts["prompts_unchanged"] += 1
        accepted.append((line, row, prompt))
    Prompt.objects.bulk_create(new.values())
    added.counts["prompts"] += len(new)
    return accepted, new


def _add_demonstrations(accepted: list[_Accepted], old: list[UUID], added: Added) -> set[UUID]:
    known: dict[_Key, str] = {
        (prompt_id, external_id): text
        for prompt_id, external_id, text in Demonstration.objects.filter(prompt__in=old)
        .exclude(external_id="")
        .values_list("prompt_id", "external_id", "text")
    }
    new = []
    for line, row, prompt in accepted:
        for parsed in row.demonstrations:
            key = (prompt.pk, parsed.external_id)
            if key not in known:
                known[key] = parsed.text
                new.append(
                    Demonstration(
                        prompt=prompt,
                        external_id=parsed.external_id,
                        text=parsed.text,
                        provenance=Provenance.IMPORTED,
                        source_labeler=parsed.labeler,
                    )
                )
            elif known[key] == parsed.text:
                added.counts["demonstrations_unchanged"] += 1
            else:
                reason = f"the prompt {row.external_id!r} has another demonstration with the id {parsed.external_id!r}"
                added.problems.append(Problem(line, reason))
    Demonstration.objects.bulk_create(new)
    added.counts["demonstrations"] += len(new)
    return {demonstration.prompt_id for demonstration in new}


def _add_rankings(accepted: list[_Accepted], old: list[UUID], added: Added) -> None:
    completions: dict[_Key, Completion] = {
        (completion.prompt_id, completion.external_id): completion
        for completion in Completion.objects.filter(prompt__in=old, external_id__in=_completion_ids(accepted))
    }
    known: dict[_Key, list[list[str]]] = {
        (ranking.prompt_id, ranking.external_id): ranking.groups
        for ranking in Ranking.objects.filter(prompt__in=old).exclude(external_id="")
    }
    new_completions: list[Completion] = []
    new_rankings: list[Ranking] = []
    for line, row, prompt in accepted:
        for parsed in row.rankings:
            fresh, changed = _match_completions(prompt, parsed, completions)
            if changed is not None:
                reason = f"the prompt {row.external_id!r} has another completion with the id {changed!r}"
                added.problems.append(Problem(line, reason))
                continue
            completions |= fresh
            new_completions += fresh.values()
            groups = [[str(completions[prompt.pk, i].pk) for i in group] for group in parsed.groups]
            key = (prompt.pk, parsed.external_id)
            if key not in known:
                known[key] = groups
                new_rankings.append(
                    Ranking(
                        prompt=prompt,
                        external_id=parsed.external_id,
                        groups=groups,
                        provenance=Provenance.IMPORTED,
                        source_labeler=parsed.labeler,
                    )
                )
            elif [set(group) for group in known[key]] == [set(group) for group in groups]:
                added.counts["rankings_unchanged"] += 1
            else:
                reason = f"the prompt {row.external_id!r} has another ranking with the id {parsed.external_id!r}"
                added.problems.append(Problem(line, reason))
    Completion.objects.bulk_create(new_completions)
    Ranking.objects.bulk_create(new_rankings)
    added.counts["completions"] += len(new_completions)
    added.counts["rankings"] += len(new_rankings)


def _completion_ids(accepted: list[_Accepted]) -> set[str]:
    return {c.external_id for _, row, _ in accepted for parsed in row.rankings for c in parsed.completions}


def _match_completions(
    prompt: Prompt, parsed: ParsedRanking, known: dict[_Key, Completion]
) -> tuple[dict[_Key, Completion], str | None]:
    """The ranking's completions that are new, and the external id of one that is known with another text."""
    fresh: dict[_Key, Completion] = {}
    for completion in parsed.completions:
        found = known.get((prompt.pk, completion.external_id))
        if found is None:
            fresh[prompt.pk, completion.external_id] = Completion(
                prompt=prompt, external_id=completion.external_id, text=completion.text, model=completion.model
            )
        elif found.text != completion.text:
            return {}, completion.external_id
    return fresh, None
