"""Supervised fine-tuning: the policy learns to write what people wrote (Ouyang et al. 2022, section 3.5, C.1).

    torchrun --standalone --nproc-per-node=1 -m training.engine.sft --run-dir DIR

The loss is the cross entropy of the demonstration's tokens, its end token included and its prompt not, averaged over
all of a step's tokens together. Differs from the paper: budgets may leave demonstrations out, and the checkpoint is
the last one, not the one that a reward model prefers.
"""

from __future__ import annotations

from itertools import islice

import torch
from transformers import PreTrainedModel

from training.engine import checkpoint, data
from training.engine.attention import has_tree_attention
from training.engine.config import SFTSettings
from training.engine.data import Dialogue
from training.engine.errors import RunError
from training.engine.layout import lay
from training.engine.lora import add_lora, merge
from training.engine.losses import rows_cross_entropy
from training.engine.models import check_length, load_policy, set_dropout, unembeds_plainly
from training.engine.optimizer import Divergence, MasterAdamW, cosine
from training.engine.runtime import Clock, Result, Run, all_sum, run_main
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

    found = data.demonstrations(folder, tokenizer, split="train", max_length=settings.max_length)
    if not found.items:
        raise RunError(f"The snapshot has no training demonstration of at most {settings.max_length:,} tokens.")
    train, beyond = data.within_budget(found.items, settings.max_train_tokens, _tokens, seed=settings.seed)
    held = data.demonstrations(folder, tokenizer, split="valid", max_length=settings.max_length)
    valid, unread = data.within_budget(held.items, settings.max_eval_tokens, _tokens, seed=settings.seed)
    report.note(
        f"Training on {len(train):,} demonstrations ({sum(map(_tokens, train)):,} tokens). Left out: "
        f"{found.left_out_long:,} over {settings.max_length:,} tokens; {beyond:,} beyond the token budget."
    )
    report.note(
        f"Validating on {len(valid):,} demonstrations. Left out: {held.left_out_long:,} over "
        f"{settings.max_length:,} tokens; {unread:,} beyond the token budget."
        if valid
        else "The snapshot has no validation demonstrations that fit, so there is no validation loss."
    )

    keeper = Keeper(run)
    progress = keeper.progress or {"step": 0, "tokens": 0, "clock": 0.0, "in_a_row": 0}
    if keeper.progress is None:
        progress["loss_before"] = evaluate(run, model, valid, step=0)  # in fp32, as the checkpoint's at the end
    if settings.lora_rank:
        add_lora(model, settings.lora_rank, settings.lora_alpha, settings.seed)
    optimizer = MasterAdamW(model, weight_decay=settings.weight_decay, lower=model, dtype=run.dtype)
    set_dropout(model, settings.dropout)
    model.train()
    divergence = Divergence(progress["in_a_row"])
    clock = Clock(progress["clock"])
    total = data.step_count(len(train), settings.batch_size, settings.epochs)
    batches = data.steps(train, settings.batch_size, settings.epochs, seed=settings.seed)
    with keeper.keeping(optimizer=optimizer):
        for step, batch in islice(enumerate(batches), progress["step"], None):
            report.progress("train", step, total)
            loss = accumulate(run, model, batch)
            lr = cosine(step, total, settings.learning_rate, warmup=settings.warmup_steps)
            norm = optimizer.step(lr=lr, max_norm=settings.max_grad_norm)
            divergence.check(norm, step, report)
            progress["tokens"] += sum(map(_tokens, batch))
            progress |= {"step": step + 1, "clock": clock.seconds, "in_a_row": divergence.in_a_row}
            report.metrics(
                step + 1, loss=all_sum(run, [loss])[0], lr=lr, grad_norm=norm, tokens=progress["tokens"],
                tokens_per_second=progress["tokens"] / clock.seconds,
            )  # fmt: skip
            keeper.end_step(step + 1, progress)
    report.progress("train", total, total)

    optimizer.restore()
    if settings.lora_rank:
        merge(model)
    set_dropout(model, 0.0)
    model.eval()
    loss_after = evaluate(run, model, valid, step=total)
    summary = {
        "train_demonstrations": len(train),
        "train_tokens": progress["tokens"],
        "steps": total,
        "valid_demonstrations": len(valid),
        "valid_tokens": sum(len(item.completion) for item in valid),
        "left_out_long": found.left_out_long,
        "left_out_budget": beyond,
        "valid_left_out_long": held.left_out_long,
        "valid_left_out_budget": unread,
        "tokens_per_second": round(progress["tokens"] / progress["clock"], 1),
    }
    if loss_after is not None:
        summary |= {"valid_loss_before": round(progress["loss_before"], 5), "valid_loss_after": round(loss_after, 5)}
    report.progress("save", 0, 1)
    path, digest = checkpoint.save(run, model, tokenizer, summary=summary)
    report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


def accumulate(run: Run, model: PreTrainedModel, batch: list[Dialogue]) -> float:
    """Add a step's gradients of this rank's share; return its loss, to be summed over the ranks.

    One denominator for the whole step: neither micro-batches nor ranks may change what a token weighs.
    """
    most = run.settings.micro_tokens
    denominator = sum(item.weight * len(item.completion) for item in batch)
    passes = data.micro_batches(batch, most, _tokens, padded=not has_tree_attention(model))
    total = 0.0
    for part in passes[run.rank :: run.world]:
        loss = dialogue_loss(model, part, most=most) / denominator
        loss.backward()
        total += float(loss.detach())
    return total


def dialogue_loss(
    model: PreTrainedModel, dialogues: list[Dialogue], *, weighted: bool = True, most: int | None = None
) -> torch.Tensor:
    """Σ over the completions' tokens of −log p, each times its demonstration's weight where `weighted`.

    `most` tokens a pass are kept whole for the backward pass (see Layout.hidden).
    """
    layout = lay(model, [(item.prompt, [item.completion]) for item in dialogues])
    shares = torch.tensor([item.weight if weighted else 1.0 for item in dialogues], device=model.device)
    weights = shares.repeat_interleave(torch.tensor(layout.lengths, device=model.device))
    hidden = layout.hidden(model, most=most)[layout.predictors]
    return rows_cross_entropy(hidden, model.get_output_embeddings(), layout.targets, weights)


@torch.no_grad()
def evaluate(run: Run, model: PreTrainedModel, dialogues: list[Dialogue], *, step: int) -> float | None:
    """Mean loss a completion token over the dialogues; None without any."""
    tokens = sum(len(item.completion) for item in dialogues)
    if not tokens:
        return None
    total = 0.0
    padded = not has_tree_attention(model)
    passes = data.micro_batches(dialogues, run.settings.micro_tokens, _tokens, padded=padded)
    for done, part in enumerate(passes):
        run.report.progress("eval", done, len(passes))
        if done % run.world == run.rank:
            total += float(dialogue_loss(model, part, weighted=False))
    run.report.progress("eval", len(passes), len(passes))
    loss = all_sum(run, [total])[0] / tokens
    run.report.eval(step, loss=loss)
    return loss


def _tokens(item: Dialogue) -> int:
    return item.tokens


if __name__ == "__main__":
    run_main("sft", main)
