"""Adding parsed prompts, with the labels that came with them, to a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from labeling.formats.parsed import ParsedPrompt, Problem
from labeling.lanes import lane_of, skills_needed
from labeling.masking import original_digest
from labeling.models import Import, ProjectSetup, Prompt, PromptMask, SplitBy
from labeling.services.imported_labels import Accepted, labels_add
from labeling.services.staging import (
    Match,
    Staged,
    ordered_ids,
    staging_fill,
    staging_insert,
    staging_known_splits,
    staging_lines,
    staging_matches,
    staging_open_tasks,
)
from labeling.splits import split_of
from people.models import Cohort

Row = tuple[int, ParsedPrompt]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Numbered rows with all that is drawn for them, as lines for the staging table."""

    rows: list[Row]
    lines: list[str]


@dataclass
class Added:
    """What came of some rows: counts of what was added or was there already, and the rows that contradict it."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


class Intake:
    """The prompts of one import on their way into its project, block by block.

    Before: the caller holds a transaction and the lock of the project's intake, so that no other import draws splits
    meanwhile. After each block: what is new is added; what is there already, by external id, is unchanged; a row that
    says something else than what is there is a problem and adds nothing. A known author's new prompts take the
    author's split. The number of queries of a block does not depend on the number of its rows.
    """

    def __init__(self, *, source: Import, setup: ProjectSetup) -> None:
        self._source = source
        self._project = source.project
        self._setup = setup
        self._ids = ordered_ids()
        self._lanes: dict[tuple[str, str], str] = {}
        # Within this import the same author draws the same split; only older prompts can say otherwise.
        self._has_older = Prompt.objects.filter(project=self._project).exists()

    def prepare(self, rows: list[Row]) -> Prepared:
        """Draw what has to be drawn for one block. Asks nothing of the database, so that a thread may do it ahead."""
        return Prepared(rows, staging_lines((self._staged(row) for _, row in rows), self._ids))

    def add(self, block: Prepared) -> Added:
        """Add one prepared block."""
        added, rows = Added(), block.rows
        if not rows:
            return added
        now = timezone.now()
        staging_fill(block.lines)
        if self._has_older:
            by_organisation = self._setup.split_by == SplitBy.ORGANISATION
            staging_known_splits(project_id=self._project.pk, by_organisation=by_organisation)
        inserted = staging_insert(project_id=self._project.pk, import_id=self._source.pk, now=now)
        added.counts["prompts"] = inserted
        added.counts["tasks"] = 0
        has_labels = any(row.demonstrations or row.rankings for _, row in rows)
        all_are_new = inserted == len(rows)
        matches: list[Match] = []
        if has_labels or not all_are_new:
            matches = staging_matches(project_id=self._project.pk)
        if self._setup.open_demonstrations:
            added.counts["tasks"] = staging_open_tasks(
                project_id=self._project.pk,
                shared_percent=self._setup.shared_percent,
                all_are_new=all_are_new,
                now=now,
            )
        accepted = list(self._accepted(rows, matches, added))
        labels_add(accepted, added.counts, added.problems)
        return added

    def _staged(self, row: ParsedPrompt) -> Staged:
        setup = self._setup
        by = row.organisation if setup.split_by == SplitBy.ORGANISATION and row.organisation else row.author
        return Staged(
            external_id=row.external_id,
            messages=[{"role": message.role, "content": message.content} for message in row.messages],
            author=row.author,
            organisation=row.organisation,
            source=row.source,
            kind=row.kind,
            category=row.category,
            language=row.language,
            split=split_of(
                by,
                project=self._project.slug,
                valid_percent=setup.valid_percent,
                test_percent=setup.test_percent,
            ),
            lane=self._lane(row),
            has_answer=bool(row.demonstrations),
        )

    def _lane(self, row: ParsedPrompt) -> str:
        key = (row.language, row.category)
        if (lane := self._lanes.get(key)) is None:
            needed = skills_needed(self._setup.skills_by, language=row.language, category=row.category)
            lane = self._lanes[key] = lane_of(Cohort.TRAINING, needed)
        return lane

    def _accepted(self, rows: Sequence[Row], matches: list[Match], added: Added) -> Iterator[Accepted]:
        """The rows that agree with the project, with their prompts' ids; others become problems."""
        changed = [match for match in matches if not match.is_same]
        masked = self._masked(rows, changed) if changed else set()
        for match in matches:
            line, row = rows[match.place]
            if not match.is_same and match.place not in masked:
                reason = f"the project has another prompt with the id {row.external_id!r}"
                added.problems.append(Problem(line, reason))
                continue
            if not match.is_new:
                added.counts["prompts_unchanged"] += 1
            yield Accepted(line, row, match.prompt_id, is_new=match.is_new)

    def _masked(self, rows: Sequence[Row], changed: list[Match]) -> set[int]:
        """Places of rows that are the original of a prompt in which personal data was masked."""
        digests: dict[str, set[str]] = {}
        masks = PromptMask.objects.filter(prompt__in=[match.prompt_id for match in changed])
        for prompt_id, digest in masks.values_list("prompt_id", "original_digest"):
            digests.setdefault(str(prompt_id), set()).add(digest)
        return {
            match.place
            for match in changed
            if (known := digests.get(str(match.prompt_id)))
            and original_digest(self._staged(rows[match.place][1]).messages, key=settings.PSEUDONYM_KEY) in known
        }
