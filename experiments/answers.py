"""Answers of models to a snapshot's prompts, and what a reward model says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exchange.completions import read_batch
from exchange.records import Completion, Prompt
from exchange.snapshot import read_snapshot
from experiments.runs import Model, trained
from experiments.scores import scored

Judged = dict[str, list[tuple[str, float]]]  # the answers to each prompt with their scores


def answers(
    name: str, snapshot: Path, model: Model, count: int, *, split: str = "valid", **room: Any
) -> list[Completion]:  # fmt: skip
    """`count` answers of a model (None: the base) to each prompt of a split, at temperature 1."""
    who = model or {"name": "base", "path": None, "digest": None}
    settings = {"temperature": 1.0, "top_p": 1.0, "max_prompts": 0, **room}
    done = trained(f"{name}-{split}", "sample", snapshot,
                   {**settings, "samples_per_prompt": count, "prompts_split": split}, policies=[who])  # fmt: skip
    return list(read_batch(done.directory / done.completions))


def judged(judge: Model, snapshot: Path, given: Sequence[Completion]) -> Judged:
    """The answers by prompt, scored."""
    prompts = {prompt.id: prompt.messages for prompt in read_snapshot(snapshot, Prompt)}
    found: dict[str, list[str]] = {}
    for one in given:
        found.setdefault(one.prompt_id, []).append(one.text)
    scores = scored(judge, [(prompts[id], texts) for id, texts in found.items()])
    return {id: list(zip(texts, row, strict=True)) for (id, texts), row in zip(found.items(), scores, strict=True)}


def best_of(many: Judged, n: int) -> Judged:
    """Of every `n` answers to a prompt the one that the reward model likes best."""
    return {id: [max(some[start : start + n], key=lambda one: one[1]) for start in range(0, len(some), n)]
            for id, some in many.items()}  # fmt: skip


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return sum(values) / len(values)
