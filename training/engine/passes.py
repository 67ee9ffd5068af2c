"""How examples are cut into forward passes of at most so many tokens, and read in them by all ranks together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from transformers import PreTrainedModel

from training.engine.attention import has_tree_attention
from training.engine.layout import Family, family_tokens
from training.engine.runtime import Run, all_sum

Item = TypeVar("Item")


def micro_batches(
    items: Iterable[Item],
    max_tokens: int,
    size: Callable[[Item], int],
    *,
    padded: bool = True,
    lines: Callable[[Item], int] = lambda item: 1,
) -> list[list[Item]]:
    """Cut items into forward passes of at most `max_tokens`, neighbours in length together, longest first.

    `padded` counts every item as long as the longest of its pass, times the `lines` of that length that it takes. One
    item always fits.
    """
    batches: list[list[Item]] = []
    used = 0
    for item in sorted(items, key=size, reverse=True):
        cost = lines(item) * (size(batches[-1][0]) if padded and batches else size(item))
        if not batches or used + cost > max_tokens:
            batches.append([])
            cost, used = lines(item) * size(item), 0
        batches[-1].append(item)
        used += cost
    return batches


def family_passes(
    model: PreTrainedModel, families: Sequence[Family], max_tokens: int, *, packed: bool = True
) -> list[list[int]]:
    """The places of families, cut into forward passes of at most `max_tokens`, counted as `lay` lays them out.

    The two tokens that an encoder's rows have besides are not counted.
    """
    places = range(len(families))
    if packed and has_tree_attention(model):
        return micro_batches(places, max_tokens, lambda place: family_tokens(families[place]), padded=False)
    return micro_batches(
        places, max_tokens, lambda place: _width(families[place]), lines=lambda place: len(families[place][1])
    )


@torch.no_grad()
def read_all(
    run: Run, model: PreTrainedModel, families: Sequence[Family],
    read: Callable[[list[Family]], Iterable[torch.Tensor]], phase: str, *, packed: bool = True,
) -> list[list[float]]:  # fmt: skip
    """The numbers (K,) that `read` finds for each family's completions, in the families' order and on every rank.

    `read` is given one forward pass of families at a time, without gradients; each pass is read by one rank. Ranks
    make different numbers of passes, so a sharded model must be whole (`sharding.whole`).
    """
    passes = family_passes(model, families, run.settings.micro_tokens, packed=packed)
    starts = list(itertools.accumulate((len(completions) for _, completions in families), initial=0))
    flat = [0.0] * starts[-1]
    for done, part in enumerate(passes):
        run.report.progress(phase, done, len(passes))
        if done % run.world == run.rank:
            for place, found in zip(part, read([families[place] for place in part]), strict=True):
                flat[starts[place] : starts[place + 1]] = found.tolist()
    run.report.progress(phase, len(passes), len(passes))
    flat = all_sum(run, flat)
    return [flat[start:end] for start, end in itertools.pairwise(starts)]


def _width(family: Family) -> int:
    return len(family[0]) + max(map(len, family[1]))
