"""The reward model: which of K answers people prefer (Ouyang et al. 2022, section 3.5, equation 1, and C.2).

    torchrun --standalone --nproc-per-node=1 -m training.engine.reward --run-dir DIR

One batch element is one prompt's whole ranking: every completion is forwarded once, the prompt once for all of them,
and all K-choose-2 pairs share one loss, so every prompt weighs the same. After training a bias sets the mean score of
people's demonstrations to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations, islice

import torch
from transformers import PreTrainedModel

from exchange.envelope import read_manifest
from training.engine import accuracy, checkpoint, data, heads, reward_report, sharding
from training.engine.attention import has_tree_attention
from training.engine.config import RewardSettings
from training.engine.data import Group
from training.engine.errors import RunError
from training.engine.folds import left_out_labelers
from training.engine.judging_rankings import judges, long_completions
from training.engine.losses import kway_loss, pair_count, pair_targets
from training.engine.models import check_length, new_reward, set_dropout
from training.engine.optimizer import Divergence, MasterAdamW, cosine
from training.engine.passes import family_passes
from training.engine.reward_judged import evaluate, set_bias
from training.engine.runtime import Clock, Result, Run, all_sum, run_main
from training.engine.scoring import score_families
from training.engine.settings.fields import kept_tokens
from training.engine.state import Keeper


def main(run: Run) -> Result:
    """Train on the snapshot's rankings and write checkpoints/final."""
    settings: RewardSettings = run.settings
    if settings.backbone:
        if (run.inputs.get("policy") or {}).get("path"):
            raise RunError("A reward model starts from a policy or from the backbone that is set, not from both.")
        run = replace(run, inputs={**run.inputs, "base_model": settings.backbone})
    report = run.report
    report.progress("load", 0, 1)
    folder = data.open_snapshot(run.inputs)
    model, tokenizer = new_reward(
        run.inputs, run.inputs.get("policy"), seed=settings.seed, dtype=torch.float32, device=run.device
    )
    check_length(model, settings.max_length)
    checkpoint.check_space(run, model)
    report.progress("load", 1, 1)
    if settings.layout == "prefix" and not has_tree_attention(model):
        report.note(
            "This architecture's attention cannot share the prompt between completions; rows are used instead."
        )

    margins = (settings.margin_1, settings.margin_2, settings.margin_3, settings.margin_4)
    found, held = (
        data.ranking_groups(folder, tokenizer, split=split, max_length=settings.max_length, margins=margins)
        for split in ("train", "valid")
    )
    people = {group.labeler for group in [*found.items, *held.items]}
    left_out = left_out_labelers(people, folds=settings.folds, fold=settings.fold) if settings.folds else set()
    if settings.folds and not left_out:
        raise RunError(
            f"Fold {settings.fold} of {settings.folds} has nobody in it: the rankings are by {len(people - {''}):,} "
            "known labelers; set folds to at most their number."
        )
    useful = [g for g in found.items if pair_count(g.ranks, settings.ties) and g.labeler not in left_out]
    ties_only = sum(not pair_count(group.ranks, settings.ties) for group in found.items)
    if not useful:
        raise RunError(
            "The snapshot has no training ranking with two completions of different rank of at most "
            f"{settings.max_length:,} tokens{' by people who are not left out' if left_out else ''}."
        )
    train, beyond = data.within_budget(useful, settings.max_train_tokens, data.token_count, seed=settings.seed)
    judged = judges(held, longest=settings.max_length, most=settings.max_eval_groups, seed=settings.seed)
    train_pairs = sum(pair_count(group.ranks, settings.ties) for group in train)
    report.note(
        f"Training on {len(train):,} rankings ({train_pairs:,} pairs, {sum(map(data.token_count, train)):,} tokens). "
        f"Left out: {long_completions(found, settings.max_length)}; {ties_only:,} rankings of ties only; "
        f"{beyond:,} beyond the token budget."
    )
    if left_out:
        report.note(
            f"{len(left_out):,} of {len(people - {''}):,} labelers are left out of training and judged apart: "
            f"{len(found.items) - ties_only - len(useful):,} training rankings less."
        )
    report.note(judged.note)

    set_dropout(model, 0.0)
    sharding.shard(run, model)
    model.train()
    optimizer = MasterAdamW(model, weight_decay=settings.weight_decay, lower=heads.body(model), dtype=run.dtype)
    keeper = Keeper(run)
    progress = keeper.progress or {"step": 0, "tokens": 0, "clock": 0.0, "in_a_row": 0, "skipped": 0, "losses": []}
    divergence = Divergence(progress["in_a_row"], progress["skipped"])
    clock = Clock(progress["clock"])
    elements, batch_size = train, settings.batch_prompts
    if settings.grouping == "pairs":  # shuffled pairs, in as many steps
        elements = [pair for group in train for pair in pairs_of(group, settings.ties)]
        batch_size = -(-len(elements) // data.step_count(len(train), settings.batch_prompts, 1))
    total = data.step_count(len(elements), batch_size, settings.epochs)
    batches = data.steps(elements, batch_size, settings.epochs, seed=settings.seed)
    with keeper.keeping(optimizer=optimizer):
        for step, batch in islice(enumerate(batches), progress["step"], None):
            report.progress("train", step, total)
            done = accumulate(model, batch, settings, rank=run.rank, world=run.world)
            lr = cosine(step, total, settings.learning_rate, warmup=settings.warmup_steps)
            report.lap("gradients")
            norm = optimizer.step(lr=lr, max_norm=settings.max_grad_norm)
            report.lap("update")
            loss, right, pairs, *blame = all_sum(run, [done.loss, done.right, done.pairs, *done.blame])
            culprits = [group.id for group, count in zip(batch, blame, strict=True) if count]
            divergence.check(norm, f"Step {step + 1}", report, culprits)
            progress["losses"].append(loss if math.isfinite(loss) else None)  # a skipped step's loss may be NaN
            progress["tokens"] += sum(map(data.token_count, batch))
            progress |= {"step": step + 1, "clock": clock.seconds, **divergence.progress}
            report.metrics(
                step + 1, loss=loss, accuracy=right / max(1, pairs), lr=lr, grad_norm=norm, tokens=progress["tokens"],
                tokens_per_second=progress["tokens"] / clock.seconds,
            )  # fmt: skip
            keeper.end_step(step + 1, progress)
    report.progress("train", total, total)
    divergence.end(total)

    optimizer.restore()
    sharding.dissolve(model)  # what follows is of the weights that are saved, not of their rounding
    model.eval()
    quarter = max(1, total // 4)
    summary = {
        "train_groups": len(train),
        "train_pairs": train_pairs,
        "train_tokens": progress["tokens"],
        "steps": total,
        "skipped_steps": divergence.skipped,
        "left_out_long": found.left_out_long,
        "left_out_groups": found.left_out_groups,
        "left_out_ties": ties_only,
        "left_out_budget": beyond,
        **judged.left_out,
        "tokens_per_second": round(progress["tokens"] / progress["clock"], 1),
    }
    losses = progress["losses"]
    for name, part in (("train_loss_start", losses[:quarter]), ("train_loss_end", losses[-quarter:])):
        if finite := [loss for loss in part if loss is not None]:
            summary[name] = round(sum(finite) / len(finite), 5)
    summary |= evaluate(run, model, judged.groups, left_out, step=total)
    summary |= reward_report.agreement_figures(read_manifest(folder)["meta"])
    spoken = data.demonstrations(folder, tokenizer, split="train", max_length=settings.max_length)
    summary |= set_bias(run, model, spoken)
    report.progress("save", 0, 1)
    path, digest = checkpoint.save(run, model, tokenizer, summary=summary)
    report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


@dataclass
class Step:
    """A rank's share of a step: its loss, its right and all ordered pairs, and a 1 for each ranking of the batch whose
    loss is not finite.
    """

    blame: list[float]
    loss: float = 0.0
    right: float = 0.0
    pairs: int = 0


def accumulate(
    model: PreTrainedModel, batch: list[Group], settings: RewardSettings, *, rank: int = 0, world: int = 1
) -> Step:
    """Add a step's gradients of this rank's share.

    The loss is the weighted mean over the whole step's prompts: neither passes nor ranks change what a prompt weighs.
    """
    denominator = sum(group.weight for group in batch)
    done = Step(blame=[0.0] * len(batch))
    families = [group.family for group in batch]
    passes = family_passes(model, families, settings.micro_tokens, packed=settings.layout == "prefix")
    mine = passes[rank::world]
    for part in mine:
        loss = torch.zeros((), device=model.device)
        scored = score_families(model, [families[i] for i in part], settings.layout, most=kept_tokens(settings))
        for index, scores in zip(part, scored, strict=True):
            group = batch[index]
            own = kway_loss(
                scores, pair_targets(group.ranks, settings.ties, model.device, smoothing=settings.label_smoothing),
                heights=group.heights or None, centring=settings.centring,
            )  # fmt: skip
            loss = loss + group.weight / denominator * own
            right, pairs = accuracy.count_pairs(scores.tolist(), group.ranks)
            done.right, done.pairs = done.right + right, done.pairs + pairs
            done.blame[index] = float(not math.isfinite(float(own.detach())))
        loss.backward()
        done.loss += float(loss.detach())
    sharding.even_out([model], len(mine), -(-len(passes) // world))
    return done


def pairs_of(group: Group, ties: str) -> list[Group]:
    """Each pair of a ranking that teaches something as a ranking of its own, with the same weight."""
    found = []
    for i, j in combinations(range(len(group.ranks)), 2):
        if group.ranks[i] != group.ranks[j] or ties == "half":
            ranks = [int(group.ranks[i] > group.ranks[j]), int(group.ranks[j] > group.ranks[i])]
            heights = [group.heights[i], group.heights[j]] if group.heights else []
            completions = [group.completions[i], group.completions[j]]
            found.append(replace(group, completions=completions, ranks=ranks, heights=heights))
    return found


if __name__ == "__main__":
    run_main("reward", main)
