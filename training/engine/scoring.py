"""Scores of prompts' completions by a reward model, whatever it is built on: the rewards of training and evaluation.

A causal model is read at each completion's end token, in the layout that its attention allows; an encoder at its
first position (encoder.py).
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from training.engine import encoder, heads
from training.engine.layout import Family, lay
from training.engine.passes import read_all
from training.engine.runtime import Run


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


def score_all(run: Run, model: PreTrainedModel, families: list[Family], phase: str) -> list[list[float]]:
    """Scores of all families in their order, forwarded by length, shared out over the ranks."""
    layout = run.settings.layout
    return read_all(
        run, model, families, lambda part: score_families(model, part, layout), phase, packed=layout == "prefix"
    )
