"""DPO: the policy learns from people's rankings without a reward model (Rafailov et al. 2023, 2305.18290, eq. 7).

    torchrun --standalone --nproc-per-node=1 -m training.engine.dpo --run-dir DIR

A policy is its own reward model: β · log π(y|x)/π_ref(y|x) is an answer's implicit reward, and the loss of a ranking
is the reward model's, over all of its pairs, with these rewards. So a pair of w over l costs
−log σ(β((log π − log π_ref)(w) − (log π − log π_ref)(l))), every prompt weighs the same, and all completions of a
prompt are one forward pass. The reference's log-probabilities are read once, before the first step. Differs from the
paper: K answers instead of two, ties, AdamW with a cosine.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedModel

from training.engine import accuracy, checkpoint, data, sharding
from training.engine.attention import has_tree_attention
from training.engine.config import DPOSettings
from training.engine.data import Group, Question
from training.engine.dpo_judged import evaluate
from training.engine.errors import RunError
from training.engine.held_out import validation_questions
from training.engine.implicit_rewards import all_logprobs, answer_logprobs, implicit_rewards
from training.engine.judging_rankings import judges, long_completions
from training.engine.lora import add_lora, merge
from training.engine.losses import kway_loss, pair_count, pair_targets
from training.engine.models import check_length, load_policy, set_dropout, unembeds_plainly
from training.engine.optimizer import Divergence, MasterAdamW, cosine
from training.engine.passes import family_passes
from training.engine.runtime import Clock, Result, Run, all_sum, run_main
from training.engine.settings.fields import kept_tokens
from training.engine.state import Keeper


def main(run: Run) -> Result:
    """Train on the snapshot's rankings and write checkpoints/final."""
    settings: DPOSettings = run.settings
    report = run.report
    report.progress("load", 0, 1)
    folder = data.open_snapshot(run.inputs)
    model, tokenizer = load_policy(run.inputs, run.inputs.get("policy"), dtype=torch.float32, device=run.device)
    if not unembeds_plainly(model):
        raise RunError("DPO cannot train this architecture: it changes its logits after the unembedding.")
    check_length(model, settings.max_length)
    checkpoint.check_space(run, model)
    report.progress("load", 1, 1)
    if not has_tree_attention(model):
        report.note(
            "This architecture's attention cannot share the prompt between completions; rows are used instead."
        )

    found, held = (
        data.ranking_groups(folder, tokenizer, split=split, max_length=settings.max_length)
        for split in ("train", "valid")
    )
    useful = [group for group in found.items if pair_count(group.ranks, settings.ties)]
    if not useful:
        raise RunError(
            "The snapshot has no training ranking with two completions of different rank of at most "
            f"{settings.max_length:,} tokens."
        )
    train, beyond = data.within_budget(useful, settings.max_train_tokens, data.token_count, seed=settings.seed)
    judged = judges(held, longest=settings.max_length, most=settings.max_eval_groups, seed=settings.seed)
    questions: list[Question] = []
    if settings.eval_prompts:
        questions, without = validation_questions(run, tokenizer, folder, model)
        report.note(f"The KL to the reference is measured on {len(questions):,} validation prompts. {without}")
    train_pairs = sum(pair_count(group.ranks, settings.ties) for group in train)
    report.note(
        f"Training on {len(train):,} rankings ({train_pairs:,} pairs, {sum(map(data.token_count, train)):,} tokens). "
        f"Left out: {long_completions(found, settings.max_length)}; "
        f"{len(found.items) - len(useful):,} rankings of ties only; {beyond:,} beyond the token budget."
    )
    report.note(judged.note)

    if settings.lora_rank:
        add_lora(model, settings.lora_rank, settings.lora_alpha, settings.seed)
    set_dropout(model, 0.0)
    sharding.shard(run, model)
    optimizer = MasterAdamW(model, weight_decay=settings.weight_decay, lower=model, dtype=run.dtype)
    with sharding.whole(model):
        references = all_logprobs(run, model, train, "reference")  # of the weights as trained, rounded or not
    keeper = Keeper(run)
    progress: dict[str, Any] = keeper.progress or {"step": 0, "tokens": 0, "clock": 0.0, "in_a_row": 0, "skipped": 0}
    model.train()
    divergence = Divergence(progress["in_a_row"], progress["skipped"])
    clock = Clock(progress["clock"])
    total = data.step_count(len(train), settings.batch_prompts, settings.epochs)
    batches = data.steps(range(len(train)), settings.batch_prompts, settings.epochs, seed=settings.seed)
    with keeper.keeping(optimizer=optimizer):
        for step, places in islice(enumerate(batches), progress["step"], None):
            report.progress("train", step, total)
            batch = [train[place] for place in places]
            figures, blame = accumulate(run, model, batch, [references[place] for place in places])
            lr = cosine(step, total, settings.learning_rate, warmup=min(settings.warmup_steps, total - 1))
            run.report.lap("gradients")
            norm = optimizer.step(lr=lr, max_norm=settings.max_grad_norm)
            run.report.lap("update")
            loss, right, pairs, *blame = all_sum(run, [*figures, *blame])
            culprits = [group.id for group, count in zip(batch, blame, strict=True) if count]
            divergence.check(norm, f"Step {step + 1}", report, culprits)
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
    summary = {
        "train_groups": len(train),
        "train_pairs": train_pairs,
        "train_tokens": progress["tokens"],
        "steps": total,
        "skipped_steps": divergence.skipped,
        "left_out_long": found.left_out_long,
        "left_out_groups": found.left_out_groups,
        "left_out_ties": len(found.items) - len(useful),
        "left_out_budget": beyond,
        **judged.left_out,
        "tokens_per_second": round(progress["tokens"] / progress["clock"], 1),
        **evaluate(run, model, tokenizer, judged.groups, questions, step=total),
    }
    if settings.lora_rank:
        merge(model)
    report.progress("save", 0, 1)
    path, digest = checkpoint.save(run, model, tokenizer, summary=summary)
    report.progress("save", 1, 1)
    keeper.clear()
    return Result(summary, checkpoint=path, digest=digest)


def accumulate(
    run: Run, model: PreTrainedModel, batch: list[Group], references: list[list[float]]
) -> tuple[list[float], list[float]]:
    """Add a step's gradients of this rank's share; its loss, right and all ordered pairs, and a 1 for each ranking of
    the batch whose loss is not finite, all to be summed over the ranks. `references` are the reference's log π of each
    completion, ranking after ranking.

    The loss is the weighted mean over the whole step's prompts: neither passes nor ranks change what a prompt weighs.
    """
    settings = run.settings
    denominator = sum(group.weight for group in batch)
    figures, blame = [0.0, 0.0, 0.0], [0.0] * len(batch)
    families = [group.family for group in batch]
    passes = family_passes(model, families, settings.micro_tokens)
    mine = passes[run.rank :: run.world]
    for part in mine:
        loss = torch.zeros((), device=model.device)
        read = answer_logprobs(model, [families[place] for place in part], most=kept_tokens(settings))
        for place, logprobs in zip(part, read, strict=True):
            group = batch[place]
            rewards = implicit_rewards(logprobs, references[place], settings.beta)
            own = kway_loss(rewards, pair_targets(group.ranks, settings.ties, model.device))
            blame[place] = float(not math.isfinite(own.detach()))
            loss = loss + group.weight / denominator * own
            right, pairs = accuracy.count_pairs(rewards.tolist(), group.ranks)
            figures[1:] = figures[1] + right, figures[2] + pairs
        loss.backward()
        figures[0] += float(loss.detach())
    sharding.even_out([model], len(mine), -(-len(passes) // run.world))
    return figures, blame


if __name__ == "__main__":
    run_main("dpo", main)
