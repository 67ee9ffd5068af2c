"""Supervised fine-tuning: the policy learns to write what people wrote (Ouyang et al. 2022, section 3.5, C.1).

    torchrun --standalone --nproc-per-node=1 -m training.engine.sft --run-dir DIR

The loss is the cross entropy of the demonstration's tokens, its end token included and its prompt not, averaged over
all of a step's tokens together. For the start of PPO pretraining text is mixed in (C.3), whose own mean has a fixed
share of the loss. The checkpoint is the last, or the best by validation loss or by a reward model's score of answers
to validation prompts (C.1). Differs from the paper: budgets may leave demonstrations out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedModel

from training.engine import checkpoint, data, sft_selection, sharding
from training.engine.attention import has_tree_attention
from training.engine.best import Best
from training.engine.config import SFTSettings
from training.engine.data import Dialogue
from training.engine.dialogues import dialogue_loss, dialogue_passes, text_dialogues
from training.engine.errors import RunError
from training.engine.lora import add_lora, merge
from training.engine.models import check_length, load_policy, set_dropout, unembeds_plainly
from training.engine.optimizer import Divergence, MasterAdamW, cosine
from training.engine.pretrain import Row, pretrain_draw, pretrain_rows
from training.engine.runtime import Clock, Result, Run, all_sum, run_main
from training.engine.settings.fields import kept_tokens
from training.engine.state import Keeper


def main(run: Run) -> Result:
    """Train on the snapshot's demonstrations and write checkpoints/final."""
    settings: SFTSettings = run.settings
    report = run.report
    report.progress("load", 0, 1)
    folder = data.open_snapshot(run.inputs)
    model, tokenizer = load_policy(run.inputs, run.inputs.get("policy"), dtype=torch.float32, device=run.device)
    if not unembeds_plainly(model):
        raise RunError("SFT cannot train this architecture: it changes its logits after the unembedding.")
    check_length(model, settings.max_length)
    checkpoint.check_space(run, model)
    report.progress("load", 1, 1)
    if not has_tree_attention(model):
        report.note("This architecture's layers cannot read packed rows; padded rows are used instead.")

    read = {"max_length": settings.max_length, "all_turns": settings.loss_on == "all"}
    found = data.demonstrations(folder, tokenizer, split="train", **read)
    if not found.items:
        raise RunError(f"The snapshot has no training demonstration of at most {settings.max_length:,} tokens.")
    train, beyond = data.within_budget(found.items, settings.max_train_tokens, data.token_count, seed=settings.seed)
    held = data.demonstrations(folder, tokenizer, split="valid", **read)
    valid, unread = data.within_budget(held.items, settings.max_eval_tokens, data.token_count, seed=settings.seed)
    report.note(
        f"Training on {len(train):,} demonstrations ({sum(map(data.token_count, train)):,} tokens). Left out: "
        f"{found.left_out_long:,} over {settings.max_length:,} tokens; {beyond:,} beyond the token budget."
    )
    report.note(
        f"Validating on {len(valid):,} demonstrations. Left out: {held.left_out_long:,} over "
        f"{settings.max_length:,} tokens; {unread:,} beyond the token budget."
        if valid
        else "The snapshot has no validation demonstrations that fit, so there is no validation loss."
    )
    if settings.select == "loss" and not valid:
        raise RunError("Without validation demonstrations the best validation loss selects nothing; select the last.")
    judge = sft_selection.Judge.of(run, model, tokenizer, folder) if settings.select == "reward" else None
    steps_an_epoch = data.step_count(len(train), settings.batch_size, 1)
    total = settings.epochs * steps_an_epoch
    text_a_step = _text_a_step(train, settings)
    text: list[Row] = []
    if settings.pretrain_share:
        check_length(model, settings.pretrain_length, setting="pretrain_length")
        text = pretrain_rows(run, tokenizer, settings.pretrain_length, total * text_a_step)
    if text:
        report.note(
            f"Each step has {text_a_step:,} of {len(text):,} rows of {settings.pretrain_length:,} tokens of "
            f"pretraining text, {settings.pretrain_share:.0%} of its loss."
        )

    keeper = Keeper(run)
    progress: dict[str, Any] = keeper.progress or {"step": 0, "tokens": 0, "clock": 0.0, "in_a_row": 0, "skipped": 0,
                                                  "best": None}  # fmt: skip
    if keeper.progress is None:
        progress["loss_before"] = evaluate(run, model, valid, step=0)  # in fp32, as the checkpoint's at the end
    if settings.lora_rank:
        add_lora(model, settings.lora_rank, settings.lora_alpha, settings.seed)
    set_dropout(model, settings.dropout)
    sharding.shard(run, model)
    optimizer = MasterAdamW(model, weight_decay=settings.weight_decay, lower=model, dtype=run.dtype)
    model.train()
    best = Best(optimizer, 0.0, progress["best"])
    every = settings.eval_steps or (steps_an_epoch if settings.select != "last" else 0)
    divergence = Divergence(progress["in_a_row"], progress["skipped"])
    clock = Clock(progress["clock"])
    batches = data.steps(train, settings.batch_size, settings.epochs, seed=settings.seed)
    with keeper.keeping(optimizer=optimizer, best=best):
        for step, batch in islice(enumerate(batches), progress["step"], None):
            report.progress("train", step, total)
            rows = pretrain_draw(text, text_a_step, settings.seed, step) if text else []
            loss = accumulate(run, model, batch, rows)
            lr = cosine(step, total, settings.learning_rate, warmup=settings.warmup_steps)
            run.report.lap("gradients")
            norm = optimizer.step(lr=lr, max_norm=settings.max_grad_norm)
            run.report.lap("update")
            divergence.check(norm, f"Step {step + 1}", report, () if math.isfinite(norm) else culprits(model, batch))
            progress["tokens"] += sum(map(data.token_count, batch)) + sum(map(len, rows))
            progress |= {"step": step + 1, "clock": clock.seconds, **divergence.progress}
            report.metrics(
                step + 1, loss=all_sum(run, [loss])[0], lr=lr, grad_norm=norm, tokens=progress["tokens"],
                tokens_per_second=progress["tokens"] / clock.seconds,
            )  # fmt: skip
            if every and ((step + 1) % every == 0 or step + 1 == total):
                validate(run, model, valid, judge, best, step=step + 1)
                progress["best"] = best.found
            keeper.end_step(step + 1, progress)
    report.progress("train", total, total)
    divergence.end(total)

    if best.found is not None:
        best.restore()
        report.note(f"The checkpoint is that of step {best.found['step']:,}, the best by {settings.select}.")
    optimizer.restore()
    sharding.dissolve(model)
    if settings.lora_rank:
        merge(model)
    set_dropout(model, 0.0)
    model.eval()
    loss_after = evaluate(run, model, valid, step=total)
    summary = {
        "train_demonstrations": len(train),
        "train_tokens": progress["tokens"],
        "steps": total,
        "skipped_steps": divergence.skipped,
        "valid_demonstrations": len(valid),
        "valid_tokens": sum(map(_learned, valid)),
        "left_out_long": found.left_out_long,
        "left_out_budget": beyond,
        "valid_left_out_long": held.left_out_long,
        "valid_left_out_budget": unread,
        "tokens_per_second": round(progress["tokens"] / progress["clock"], 1),
    }
    if loss_after is not None:
        summary |= {"valid_loss_before": round(progress["loss_before"], 5), "valid_loss_after": round(loss_after, 5)}
    if best.found is not None:
        summary["selected_step"] = best.found["step"]
        if judge is not None:
            summary["valid_reward"] = round(best.found["figures"]["reward"], 5)
    report.progress("save", 0, 1)
    path, digest = checkpoint.save(run, model, tokenizer, summary=summary)
    report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


def accumulate(run: Run, model: PreTrainedModel, batch: list[Dialogue], text: Sequence[list[int]] = ()) -> float:
    """Add a step's gradients of this rank's share; return its loss, to be summed over the ranks.

    One denominator for the whole step: neither micro-batches nor ranks may change what a token weighs. Rows of
    pretraining `text` have `pretrain_share` of the loss, whatever their number, and the demonstrations the rest.
    """
    denominator = sum(item.weight * _learned(item) for item in batch)
    if text:
        share = run.settings.pretrain_share
        weight = share / (1 - share) * denominator / sum(len(row) - 1 for row in text)
        batch = batch + text_dialogues(text, weight)
        denominator /= 1 - share
    passes = dialogue_passes(model, batch, run.settings.micro_tokens)
    mine = passes[run.rank :: run.world]
    total = 0.0
    for part in mine:
        loss = dialogue_loss(model, part, most=kept_tokens(run.settings)) / denominator
        loss.backward()
        total += float(loss.detach())
    sharding.even_out([model], len(mine), -(-len(passes) // run.world))
    return total


@torch.no_grad()
def culprits(model: PreTrainedModel, batch: list[Dialogue]) -> list[str]:
    """The ids of the demonstrations whose own loss is not finite."""
    with sharding.whole(model):
        return [item.id for item in batch if not math.isfinite(float(dialogue_loss(model, [item])))]


def validate(
    run: Run,
    model: PreTrainedModel,
    valid: list[Dialogue],
    judge: sft_selection.Judge | None,
    best: Best,
    *,
    step: int,
) -> None:
    """Figures on validation data in the midst of training, and the weights kept where they are the best so far."""
    model.eval()
    with sharding.whole(model):
        loss = evaluate(run, model, valid, step=step)
        reward = judge.score(run, model) if judge is not None else None
    model.train()
    if reward is not None:
        run.report.eval(step, reward=reward)
    wanted = {"last": None, "loss": None if loss is None else -loss, "reward": reward}[run.settings.select]
    if wanted is not None and math.isfinite(wanted):
        best.offer(step, {"reward": wanted}, [])


@torch.no_grad()
def evaluate(run: Run, model: PreTrainedModel, dialogues: list[Dialogue], *, step: int) -> float | None:
    """Mean loss a learned token over the dialogues; None without any."""
    tokens = sum(map(_learned, dialogues))
    if not tokens:
        return None
    total = 0.0
    passes = dialogue_passes(model, dialogues, run.settings.micro_tokens)
    for done, part in enumerate(passes):
        run.report.progress("eval", done, len(passes))
        if done % run.world == run.rank:
            total += float(dialogue_loss(model, part, weighted=False))
    run.report.progress("eval", len(passes), len(passes))
    loss = all_sum(run, [total])[0] / tokens
    run.report.eval(step, loss=loss)
    return loss


def _text_a_step(train: list[Dialogue], settings: SFTSettings) -> int:
    """Rows of pretraining text a step, so that its tokens have about `pretrain_share` of the learned ones."""
    learned = sum(map(_learned, train)) / len(train) * min(settings.batch_size, len(train))
    share = settings.pretrain_share / (1 - settings.pretrain_share)
    return max(1, round(share * learned / settings.pretrain_length))


def _learned(item: Dialogue) -> int:
    return sum(item.targets)


if __name__ == "__main__":
    run_main("sft", main)
