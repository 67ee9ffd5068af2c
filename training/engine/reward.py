"""The reward model: which of K answers people prefer (Ouyang et al. 2022, section 3.5, equation 1, and C.2).

    torchrun --standalone --nproc-per-node=1 -m training.engine.reward --run-dir DIR

One batch element is one prompt's whole ranking: every completion is forwarded once, the prompt once for all of them,
and all K-choose-2 pairs share one loss, so every prompt weighs the same. After training a bias sets the mean score of
people's demonstrations to 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from itertools import islice

import torch
from transformers import PreTrainedModel

from training.engine import accuracy, checkpoint, data, heads
from training.engine.attention import has_tree_attention
from training.engine.config import RewardSettings
from training.engine.data import Dialogue, Group, Item
from training.engine.errors import RunError
from training.engine.layout import Family, lay
from training.engine.losses import kway_loss, pair_targets
from training.engine.models import check_length, new_reward, set_dropout
from training.engine.optimizer import Divergence, MasterAdamW, cosine
from training.engine.runtime import Clock, Result, Run, all_sum, run_main
from training.engine.state import Keeper


def main(run: Run) -> Result:
    """Train on the snapshot's rankings and write checkpoints/final."""
    settings: RewardSettings = run.settings
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

    found = data.ranking_groups(folder, tokenizer, split="train", max_length=settings.max_length)
    useful = [group for group in found.items if _teaches(group, settings.ties)]
    if not useful:
        raise RunError(
            "The snapshot has no training ranking with two completions of different rank of at most "
            f"{settings.max_length:,} tokens."
        )
    train, beyond = data.within_budget(useful, settings.max_train_tokens, _tokens, seed=settings.seed)
    held = data.ranking_groups(folder, tokenizer, split="valid", max_length=settings.max_length)
    ordered = [group for group in held.items if _teaches(group, "drop")]
    valid = data.shuffled(ordered, settings.seed)[: settings.max_eval_groups or None]
    train_pairs = sum(_pairs(group, settings.ties) for group in train)
    report.note(
        f"Training on {len(train):,} rankings ({train_pairs:,} pairs, {sum(map(_tokens, train)):,} tokens). Left out: "
        f"{found.left_out_long:,} completions over {settings.max_length:,} tokens with their prompt; "
        f"{len(found.items) - len(useful):,} rankings of ties only; {beyond:,} beyond the token budget."
    )
    if valid:
        report.note(
            f"Validating on {len(valid):,} of {len(ordered):,} rankings. Left out: {held.left_out_long:,} completions "
            f"over {settings.max_length:,} tokens with their prompt; {len(ordered) - len(valid):,} rankings "
            "beyond the limit."
        )
    else:
        report.note("The snapshot has no validation ranking that fits, so there is no accuracy.")

    set_dropout(model, 0.0)
    model.train()
    optimizer = MasterAdamW(model, weight_decay=settings.weight_decay, lower=heads.body(model), dtype=run.dtype)
    keeper = Keeper(run)
    progress = keeper.progress or {"step": 0, "tokens": 0, "clock": 0.0, "in_a_row": 0, "losses": []}
    divergence = Divergence(progress["in_a_row"])
    clock = Clock(progress["clock"])
    total = data.step_count(len(train), settings.batch_prompts, settings.epochs)
    batches = data.steps(train, settings.batch_prompts, settings.epochs, seed=settings.seed)
    with keeper.keeping(optimizer=optimizer):
        for step, batch in islice(enumerate(batches), progress["step"], None):
            report.progress("train", step, total)
            loss_sum, right, pairs = accumulate(model, batch, settings, rank=run.rank, world=run.world)
            lr = cosine(step, total, settings.learning_rate, warmup=settings.warmup_steps)
            norm = optimizer.step(lr=lr, max_norm=settings.max_grad_norm)
            divergence.check(norm, step, report)
            loss, right, pairs = all_sum(run, [loss_sum, right, pairs])
            progress["losses"].append(loss if math.isfinite(loss) else None)  # a skipped step's loss may be NaN
            progress["tokens"] += sum(map(_tokens, batch))
            progress |= {"step": step + 1, "clock": clock.seconds, "in_a_row": divergence.in_a_row}
            report.metrics(
                step + 1, loss=loss, accuracy=right / max(1, pairs), lr=lr, grad_norm=norm, tokens=progress["tokens"],
                tokens_per_second=progress["tokens"] / clock.seconds,
            )  # fmt: skip
            keeper.end_step(step + 1, progress)
    report.progress("train", total, total)

    optimizer.restore()  # what follows is of the weights that are saved, not of their rounding
    model.eval()
    quarter = max(1, total // 4)
    summary = {
        "train_groups": len(train),
        "train_pairs": train_pairs,
        "train_tokens": progress["tokens"],
        "steps": total,
        "left_out_long": found.left_out_long,
        "left_out_ties": len(found.items) - len(useful),
        "left_out_budget": beyond,
        "valid_left_out_long": held.left_out_long,
        "valid_left_out_budget": len(ordered) - len(valid),
        "tokens_per_second": round(progress["tokens"] / progress["clock"], 1),
    }
    losses = progress["losses"]
    for name, part in (("train_loss_start", losses[:quarter]), ("train_loss_end", losses[-quarter:])):
        if finite := [loss for loss in part if loss is not None]:
            summary[name] = round(sum(finite) / len(finite), 5)
    summary |= evaluate(run, model, valid, step=total)
    spoken = data.demonstrations(folder, tokenizer, split="train", max_length=settings.max_length)
    summary |= set_bias(run, model, spoken)
    report.progress("save", 0, 1)
    path, digest = checkpoint.save(run, model, tokenizer, summary=summary)
    report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


def accumulate(
    model: PreTrainedModel, batch: list[Group], settings: RewardSettings, *, rank: int = 0, world: int = 1
) -> tuple[float, float, int]:
    """Add a step's gradients of this rank's share; return its loss, and its right and all ordered pairs.

    The loss is the weighted mean over the whole step's prompts: neither passes nor ranks change what a prompt weighs.
    """
    denominator = sum(group.weight for group in batch)
    passes = _passes(model, batch, _family, settings)
    loss_sum, right, pairs = 0.0, 0.0, 0
    for part in passes[rank::world]:
        loss = torch.zeros((), device=model.device)
        scored = score_families(model, _families(part), settings.layout, most=settings.micro_tokens)
        for group, scores in zip(part, scored, strict=True):
            targets = pair_targets(group.ranks, settings.ties, model.device)
            loss = loss + group.weight / denominator * kway_loss(scores, targets)
            group_right, group_pairs = accuracy.count_pairs(scores.tolist(), group.ranks)
            right, pairs = right + group_right, pairs + group_pairs
        loss.backward()
        loss_sum += float(loss.detach())
    return loss_sum, right, pairs


def score_families(
    model: PreTrainedModel, families: list[Family], layout: str = "prefix", *, most: int | None = None
) -> list[torch.Tensor]:
    """Scores (K,) of each family's completions at their end tokens, in fp32 at least, bias included.

    `most` tokens a pass are kept whole for the backward pass (see Layout.hidden).
    """
    laid = lay(model, families, packed=layout == "prefix")
    scores = heads.score(model, laid.hidden(model, most=most)[laid.ends])
    return list(scores.split([len(completions) for _, completions in families]))


@torch.no_grad()
def evaluate(run: Run, model: PreTrainedModel, groups: list[Group], *, step: int) -> dict[str, float | int | str]:
    """Pair accuracy on held-out rankings with its interval, and their mean loss with ties dropped."""
    if not groups:
        return {}
    scored = _scored(run, model, _families(groups), "eval")
    measured = accuracy.pair_accuracy([(s, group.ranks) for s, group in zip(scored, groups, strict=True)])
    losses = [
        float(kway_loss(torch.tensor(s, dtype=torch.float64), pair_targets(group.ranks)))
        for s, group in zip(scored, groups, strict=True)
    ]
    loss = sum(losses) / len(losses)
    run.report.eval(step, accuracy=measured.accuracy, loss=loss)
    figures = {
        "valid_loss": round(loss, 5),
        "valid_accuracy": round(measured.accuracy, 5),
        "valid_pairs": measured.pairs,
        "valid_groups": measured.groups,
        "tie_rule": accuracy.TIE_RULE,
    }
    if measured.low is not None:
        figures |= {
            "valid_accuracy_low": round(measured.low, 5),
            "valid_accuracy_high": round(measured.high, 5),
            "interval_rule": accuracy.INTERVAL_RULE,
        }
    return figures


@torch.no_grad()
def set_bias(run: Run, model: PreTrainedModel, spoken: data.Selection[Dialogue]) -> dict[str, float | int]:
    """Shift all scores so that demonstrations have mean 0 (IG C.2); without any, the bias stays 0."""
    chosen, beyond = data.within_budget(spoken.items, run.settings.max_bias_tokens, _tokens, seed=run.settings.seed)
    if not chosen:
        run.report.note("The snapshot has no training demonstration that fits, so scores keep the bias 0.")
        return {"bias": 0.0}
    run.report.note(
        f"The bias is set on {len(chosen):,} demonstrations. Left out: {spoken.left_out_long:,} over "
        f"{run.settings.max_length:,} tokens; {beyond:,} beyond the token budget."
    )
    families: list[Family] = [(item.prompt, [item.completion]) for item in chosen]

    def mean() -> float:
        return sum(scores[0] for scores in _scored(run, model, families, "bias")) / len(families)

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


def _scored(run: Run, model: PreTrainedModel, families: list[Family], phase: str) -> list[list[float]]:
    """Scores of all families in their order, forwarded by length, shared out over the ranks."""
    order = _passes(model, range(len(families)), families.__getitem__, run.settings)
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


def _passes(
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


def _family(group: Group) -> Family:
    return group.prompt, group.completions


def _families(groups: list[Group]) -> list[Family]:
    return [_family(group) for group in groups]


def _tokens(item: Group | Dialogue) -> int:
    return item.tokens


def _pairs(group: Group, ties: str) -> int:
    """Pairs that the loss counts; a tie that teaches "equal" is one pair."""
    return round(float(pair_targets(group.ranks, ties).sum()))


def _teaches(group: Group, ties: str) -> bool:
    return _pairs(group, ties) > 0


if __name__ == "__main__":
    run_main("reward", main)
