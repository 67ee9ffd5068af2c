"""Several reward models of different seeds on the same held-out rankings: how far they differ, what their mean knows.

    python -m training.engine.ensemble SNAPSHOT CHECKPOINT CHECKPOINT …

A member is an ordinary checkpoint of an ordinary run; only the seed differs (the head's first weights and the order of
the data). Prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import torch

from training.engine import data
from training.engine.accuracy import pair_accuracy
from training.engine.data import Group
from training.engine.models import load_reward
from training.engine.scoring import score_families

Member = Sequence[Sequence[float]]  # a model's scores of every group's completions


def ensemble_report(
    members: Sequence[Member], ranks: Sequence[Sequence[int]], prompts: Sequence[str] = ()
) -> dict[str, Any]:
    """What two or more members say of the same groups; `prompts` says which are of one prompt (accuracy's interval).

    - `member_accuracy`, `member_accuracy_sd`: mean and standard deviation over the members;
    - `ensemble_accuracy`: of the mean of their scores, with pairs and interval;
    - `disagreement`: the share of ordered pairs that two members order differently, mean over every two;
    - `spread`: the standard deviation over members of a pair's Δ, and `size`, the |Δ| of their mean: means over pairs.

    Raises ValueError with fewer than two members, or no pair that has an order.
    """
    if len(members) < 2:
        raise ValueError("an ensemble needs at least two members")
    own = [pair_accuracy(list(zip(member, ranks, strict=True)), prompts) for member in members]
    mean = [
        [statistics.fmean(scores) for scores in zip(*groups, strict=True)] for groups in zip(*members, strict=True)
    ]
    together = pair_accuracy(list(zip(mean, ranks, strict=True)), prompts)
    if together is None:
        raise ValueError("no pair of the rankings has an order")
    shares = [one.accuracy for one in own if one is not None]
    differences = [_differences(member, ranks) for member in members]
    apart = [
        statistics.fmean((a > 0) != (b > 0) for a, b in zip(one, other, strict=True))
        for one, other in combinations(differences, 2)
    ]
    by_pair = list(zip(*differences, strict=True))
    return {
        "members": len(members),
        "pairs": together.pairs,
        "groups": together.groups,
        "member_accuracy": statistics.fmean(shares),
        "member_accuracy_sd": statistics.stdev(shares),
        "ensemble_accuracy": together.accuracy,
        "ensemble_low": together.low,
        "ensemble_high": together.high,
        "disagreement": statistics.fmean(apart),
        "spread": statistics.fmean(statistics.stdev(pair) for pair in by_pair),
        "size": statistics.fmean(abs(statistics.fmean(pair)) for pair in by_pair),
    }


def main(snapshot: str, checkpoints: Sequence[str], *, max_length: int = 2048) -> dict[str, Any]:
    """The report of these checkpoints on the snapshot's validation rankings."""
    members: list[Member] = []
    ranks: list[list[int]] = []
    prompts: list[str] = []
    for path in checkpoints:
        model, tokenizer = load_reward(
            {}, {"path": path}, dtype=torch.float32, device=torch.device("cpu"), encoders=True
        )
        groups = data.ranking_groups(Path(snapshot), tokenizer, split="valid", max_length=max_length).items
        ranks, prompts = [group.ranks for group in groups], [group.prompt_id for group in groups]
        members.append([_scores(model, group) for group in groups])
    return ensemble_report(members, ranks, prompts)


@torch.no_grad()
def _scores(model: Any, group: Group) -> list[float]:
    return score_families(model, [(group.prompt, group.completions)])[0].tolist()


def _differences(member: Member, ranks: Sequence[Sequence[int]]) -> list[float]:
    """Δ of each ordered pair, the better first."""
    return [
        scores[better] - scores[worse]
        for scores, places in zip(member, ranks, strict=True)
        for better, worse in permutations(range(len(places)), 2)
        if places[better] < places[worse]
    ]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
