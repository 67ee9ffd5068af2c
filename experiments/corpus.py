"""Snapshots straight from public files, without the platform's database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exchange.records import Demonstration, Message, Prompt, RankedCompletion, RankingGroup
from exchange.snapshot import write_snapshot
from experiments.runs import HOME
from labeling.formats import oasst
from labeling.formats.parsed import ParsedPrompt, ParsedRanking
from labeling.formats.reading import Position
from labeling.splits import split_of


def oasst_prompts(path: Path) -> list[ParsedPrompt]:
    """All prompts of a file of OASST trees, with demonstrations and rankings."""
    found = []
    for line in oasst.parse(path, Position()):
        found += [prompt for prompt in getattr(line, "prompts", ()) if isinstance(prompt, ParsedPrompt)]
    if not found:
        raise SystemExit(f"There are no OASST trees in {path}.")
    return found


def oasst_snapshot(path: Path, more: Sequence[str] = (), *, valid_percent: int = 40) -> Path:
    """A snapshot of a file of OASST trees, split by author, and of `more` prompts of one turn."""
    prompts = oasst_prompts(path)
    splits = [_split(p.author, valid_percent) for p in prompts]
    return write_snapshot(
        HOME / "snapshots", project="experiments", meta={},
        prompts=[
            *(Prompt(p.external_id, p.messages, split) for p, split in zip(prompts, splits, strict=True)),
            *(Prompt(f"more{number}", (Message("user", text),), _split(text, valid_percent))
              for number, text in enumerate(more)),
        ],
        demonstrations=[
            Demonstration(d.external_id, p.external_id, p.messages, d.text, split, d.labeler or "?", "imported")
            for p, split in zip(prompts, splits, strict=True) for d in p.demonstrations
        ],
        rankings=[
            _group(prompt, ranking, split)
            for prompt, split in zip(prompts, splits, strict=True) for ranking in prompt.rankings
        ],
    )[1]  # fmt: skip


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def snapshot_of(
    pairs: Sequence[tuple[str, str]], rankings: Sequence[RankingGroup] = (), *, valid_percent: int = 25
) -> Path:
    """A snapshot of prompts of one turn, each with a demonstration (an empty one is none), and of rankings."""
    splits = [_split(str(number), valid_percent) for number in range(len(pairs))]
    prompts = [
        Prompt(f"p{number}", (Message("user", text),), split)
        for number, ((text, _), split) in enumerate(zip(pairs, splits, strict=True))
    ]
    return write_snapshot(
        HOME / "snapshots", project="experiments", meta={}, prompts=prompts, rankings=rankings,
        demonstrations=[
            Demonstration(f"d{number}", prompt.id, prompt.messages, answer, prompt.split, "?", "imported")
            for number, (prompt, (_, answer)) in enumerate(zip(prompts, pairs, strict=True)) if answer.strip()
        ],
    )[1]  # fmt: skip


def _split(key: str, valid_percent: int) -> str:
    return split_of(key, project="experiments", valid_percent=valid_percent, test_percent=0)


def _group(prompt: ParsedPrompt, ranking: ParsedRanking, split: str) -> RankingGroup:
    completions = tuple(RankedCompletion(c.external_id, c.text, c.model) for c in ranking.completions)
    rank = {id: number for number, tied in enumerate(ranking.groups) for id in tied}
    return RankingGroup(
        f"{prompt.external_id}/{ranking.external_id}", prompt.external_id, prompt.messages, completions,
        tuple(rank[completion.id] for completion in completions), split, ranking.labeler or "?", "imported",
    )  # fmt: skip
