"""Scores of prompts' completions by a reward model, whatever it is built on: the rewards of training and evaluation.

A causal model is read at each completion's end token, in the layout that its attention allows; an encoder at its
first position (encoder.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch
from transformers import PreTrainedModel

from training.engine import data, encoder, heads
from training.engine.attention import has_tree_attention
from training.engine.config import RewardSettings
from training.engine.data import Item
from training.engine.layout import Family, lay
from training.engine.runtime import Run, all_sum


def score_families(
    model: PreTrainedModel, families: list[Family], layout: str = "prefix", *, most: int | None = None
) -> list[torch.Tensor]:
    """Scores (K,) of each family's completions, in fp32 at least, bias included.

    `most` tokens a pass are kept whole for the backward pass (see Layout.hidden).
    """
    if encoder.is_encoder(model.config):
        scores = encoder.scores(model, families, most=most)
    else:
        laid = lay(model, families, packed=layout == "prefix")
        scores = heads.score(model, laid.hidden(model, most=most)[laid.ends])
    return list(scores.split([len(completions) for _, completions in families]))


@torch.no_grad()
def score_all(run: Run, model: PreTrainedModel, families: list[Family], phase: str) -> list[list[float]]:
    """Scores of all families in their order, forwarded by length, shared out over the ranks."""
    order = passes(model, range(len(families)), families.__getitem__, run.settings)
    flat = [0.0] * sum(len(completions) for _, completions in families)
    starts = [0]
    for _, completions in families:
        starts.append(starts[-1] + len(completions))
    for done, part in enumerate(order):
        run.report.progress(phase, done, len(order))
        if done % run.world == run.rank:
            for index, scores in zip(
                part, score_families(model, [families[i] for i in part], run.settings.layout), strict=True
            ):
                flat[starts[index] : starts[index + 1]] = scores.tolist()
    run.report.progress(phase, len(order), len(order))
    flat = all_sum(run, flat)
    return [flat[start:end] for start, end in itertools.pairwise(starts)]


def passes(
    model: PreTrainedModel, items: Iterable[Item], family: Callable[[Item], Family], settings: RewardSettings
) -> list[list[Item]]:
    """Cut items into forward passes of at most `micro_tokens`, counted in the layout that `score_families` uses."""
    if settings.layout == "prefix" and has_tree_attention(model):
        return data.micro_batches(items, settings.micro_tokens, lambda item: _packed(family(item)), padded=False)
    return data.micro_batches(
        items, settings.micro_tokens, lambda item: _width(family(item)), lines=lambda item: len(family(item)[1])
    )


def _packed(family: Family) -> int:
    return len(family[0]) + sum(map(len, family[1]))


def _width(family: Family) -> int:
    return len(family[0]) + max(map(len, family[1]))
