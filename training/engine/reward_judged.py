"""A reward model behind its training: judged on held-out rankings, and its scores given their zero."""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import PreTrainedModel

from training.engine import data, reward_report
from training.engine.data import Dialogue, Group
from training.engine.errors import RunError
from training.engine.optimizer import listed
from training.engine.runtime import Run
from training.engine.scoring import score_all


@torch.no_grad()
def evaluate(
    run: Run, model: PreTrainedModel, groups: list[Group], left_out: set[str], *, step: int
) -> dict[str, Any]:
    """What held-out rankings say of the model (reward_report), those of the labelers left out apart."""
    if not groups:
        return {}
    scored = score_all(run, model, [group.family for group in groups], "eval")
    judged = list(zip(groups, scored, strict=True))
    finite = [one for one in judged if all(map(math.isfinite, one[1]))]
    figures = reward_report.report([one for one in finite if one[0].labeler not in left_out])
    if figures:
        run.report.eval(step, accuracy=figures["valid_accuracy"], loss=figures["valid_loss"])
    if left_out:
        figures |= reward_report.fold_figures([one for one in finite if one[0].labeler in left_out])
    if lost := [group.id for group, scores in judged if not all(map(math.isfinite, scores))]:
        run.report.note(
            f"Left out of the figures: {len(lost):,} validation rankings with a score that is not finite: "
            f"{listed(lost)}."
        )
        figures["valid_not_finite"] = len(lost)
    return figures


@torch.no_grad()
def set_bias(run: Run, model: PreTrainedModel, spoken: data.Selection[Dialogue]) -> dict[str, float | int]:
    """Shift all scores so that demonstrations have mean 0 (IG C.2); without any, the bias stays 0."""
    chosen, beyond = data.within_budget(
        spoken.items, run.settings.max_bias_tokens, data.token_count, seed=run.settings.seed
    )
    if not chosen:
        run.report.note("The snapshot has no training demonstration that fits, so scores keep the bias 0.")
        return {"bias": 0.0}
    run.report.note(
        f"The bias is set on {len(chosen):,} demonstrations. Left out: {spoken.left_out_long:,} over "
        f"{run.settings.max_length:,} tokens; {beyond:,} beyond the token budget."
    )
    families = [item.family for item in chosen]

    def mean() -> float:
        return sum(scores[0] for scores in score_all(run, model, families, "bias")) / len(families)

    before = mean()
    if not math.isfinite(before):
        raise RunError("The reward model's scores are not finite; use a lower learning rate.")
    model.config.reward_bias -= before
    after = mean()
    return {
        "bias": model.config.reward_bias,
        "demonstration_mean": round(after, 6) + 0.0,
        "bias_demonstrations": len(chosen),
        "bias_left_out_long": spoken.left_out_long,
        "bias_left_out_budget": beyond,
    }
