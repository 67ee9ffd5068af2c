"""Answers of several models to the same prompts, as one batch of completions on its way to the people.

    torchrun --standalone --nproc-per-node=1 -m training.engine.sample --run-dir DIR

The models take turns, one in memory at a time. Prompt and seed of an answer do not depend on the model, so that two
models differ by their weights alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch.distributed as dist
from transformers import PreTrainedTokenizerBase

from exchange import completions
from exchange.records import Completion
from training.engine import data, vllm_sampling
from training.engine.carrying import check_carrying
from training.engine.config import SampleSettings
from training.engine.data import Question
from training.engine.errors import RunError
from training.engine.models import decode_completion, load_tokenizer, model_folder, open_policy, policy_config
from training.engine.ppo_report import shown
from training.engine.runtime import Result, Run, run_main
from training.engine.sampling import Sampled, check_room, row_seed, sample

_SPLITS = {"heldout": ("valid", "test")}
_SHOWN = 8  # answers of each model on the run's page


def main(run: Run) -> Result:
    """Sample from each model in turn and write the batch."""
    s: SampleSettings = run.settings
    policies: list[dict[str, Any]] = run.inputs["policies"]
    names = [policy["name"] for policy in policies]
    if len(set(names)) < len(names):
        raise RunError("Two of the models to sample from have the same name.")
    folder = data.open_snapshot(run.inputs)
    models = [model_folder(run.inputs, policy) for policy in policies]
    asked, left_out_long, left_out_budget = choose_prompts(run, folder, models)

    batch: list[Completion] = []
    seconds = 0.0
    total = sum(map(len, asked)) * s.samples_per_prompt
    for policy, model, questions in zip(policies, models, asked, strict=True):
        answers, spent = answers_of(run, policy, model, questions, len(batch), total)
        batch, seconds = batch + answers, seconds + spent

    run.report.progress("save", 0, 1)
    digest = write(run, batch) if run.rank == 0 else None
    run.report.progress("save", 1, 1)
    tokens = sum(completion.tokens for completion in batch)
    summary = {
        "prompts": len(asked[0]),
        "models": len(policies),
        "completions": len(batch),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 2),
        "eos_rate": round(sum(completion.finish == "eos" for completion in batch) / len(batch), 4),
        "left_out_long": left_out_long,
        "left_out_budget": left_out_budget,
    }
    return Result(summary, completions=digest and f"completions/{digest}", digest=digest)


def choose_prompts(run: Run, folder: Path, models: Sequence[str]) -> tuple[list[list[Question]], int, int]:
    """For each model the same prompts, as its own tokens: those short enough for all of them, in seeded order up to
    the budget. And how many are left out for their length and for the budget. `models` are their folders.
    """
    s: SampleSettings = run.settings
    splits = _SPLITS.get(s.prompts_split, (s.prompts_split,))
    read: list[dict[str, Question]] = []
    count = 0
    for model in models:
        tokenizer = load_tokenizer(model)
        found = data.questions(folder, tokenizer, splits=splits, max_prompt_length=s.max_prompt_length)
        read.append({question.id: question for question in found.items})
        count = len(found.items) + found.left_out_long
    fitting = [id for id in read[0] if all(id in questions for questions in read)]
    long = count - len(fitting)
    chosen = data.shuffled(fitting, s.seed)[: s.max_prompts or None]
    if not chosen:
        raise RunError(f"The snapshot has no {s.prompts_split} prompts of at most {s.max_prompt_length} tokens.")
    beyond = len(fitting) - len(chosen)
    run.report.note(
        f"{len(chosen):,} {s.prompts_split} prompts; left out: {long:,} over {s.max_prompt_length:,} tokens, "
        f"{beyond:,} beyond the limit of prompts."
    )
    return [[questions[id] for id in chosen] for questions in read], long, beyond


def answers_of(
    run: Run, policy: Mapping[str, Any], folder: str, questions: Sequence[Question], done: int, total: int
) -> tuple[list[Completion], float]:
    """One model's answers to all questions, on every rank, and the seconds of their sampling.

    The model is in `folder`, verified. `done` of `total` answers were there before.
    """
    s: SampleSettings = run.settings
    rows = [(question, number) for question in questions for number in range(s.samples_per_prompt)]
    rows, shown_ids = rows[run.rank :: run.world], {question.id for question in questions[:_SHOWN]}
    with drawing(run, policy, folder) as (draw, tokenizer):
        run.report.progress("sample", done, total)
        began = time.monotonic()
        try:
            sampled = draw(
                [question.prompt for question, _ in rows],
                seeds=[row_seed(s.seed, question.id, number) for question, number in rows],
                eos_id=tokenizer.eos_token_id, max_new_tokens=s.response_length,
                temperature=s.temperature, top_p=s.top_p, top_k=s.top_k,
                on_step=lambda part: run.report.progress("sample", min(done + round(part * run.world), total), total),
            )  # fmt: skip
        except FloatingPointError as error:
            raise RunError(f"The numbers of {policy['name']} are not finite.") from error
        spent = time.monotonic() - began
    batch = [
        Completion(
            id=f"{question.id}/{policy['name']}/{number}", prompt_id=question.id,
            text=decode_completion(tokenizer, list(answer.tokens)).strip(), model=policy["name"],
            checkpoint=policy.get("digest") or "", finish=answer.finish, tokens=len(answer.tokens),
            sampling={"temperature": s.temperature, "top_p": s.top_p, "top_k": s.top_k,
                      "response_length": s.response_length, "seed": s.seed, "number": number,
                      "engine": s.engine},
        )
        for (question, number), answer in zip(rows, sampled, strict=True)
    ]  # fmt: skip
    for (question, number), completion in zip(rows, batch, strict=True):
        if number == 0 and question.id in shown_ids:
            run.report.sample(0, prompt=shown(question.messages), completion=completion.text, model=policy["name"])
    return _gathered(run, batch), spent


@contextmanager
def drawing(
    run: Run, policy: Mapping[str, Any], folder: str
) -> Iterator[tuple[Callable[..., list[Sampled]], PreTrainedTokenizerBase]]:
    """The function that draws from the model in `folder`, by the engine that the run names, and its tokenizer."""
    s: SampleSettings = run.settings
    check_room(policy_config(folder), s.max_prompt_length, s.response_length)
    if s.engine == "own":
        model, tokenizer = open_policy(folder, dtype=run.dtype, device=run.device)
        check_carrying(model)
        yield partial(sample, model, pad_id=tokenizer.pad_token_id, batch_rows=s.batch_rows), tokenizer
        return
    with vllm_sampling.vllm_model(
        folder, name=policy["name"], dtype=run.dtype, device=run.device,
        room=s.max_prompt_length + s.response_length, batch_rows=s.batch_rows,
    ) as held:  # fmt: skip
        run.report.note(f"{policy['name']} is sampled from by vLLM {held.version}.")
        yield partial(vllm_sampling.sample, held), load_tokenizer(folder)


def write(run: Run, batch: Sequence[Completion]) -> str:
    """Seal the batch below the run's completions/; its digest."""
    meta = {
        "project": run.identity.get("project", ""),
        "snapshot": run.inputs.get("snapshot_digest"),
        "run": run.identity.get("id", ""),
        "run_name": run.identity.get("name", ""),
        "purpose": "ranking",
        "models": {policy["name"]: policy.get("digest") for policy in run.inputs["policies"]},
    }
    try:
        digest, _ = completions.write_batch(run.directory / "completions", batch, meta=meta)
    except OSError as error:
        raise RunError(f"The completions could not be written: {error.strerror or error}.") from error
    return digest


def _gathered(run: Run, batch: list[Completion]) -> list[Completion]:
    """All ranks' completions in the order of the prompts, on every rank."""
    if run.world == 1:
        return batch
    parts: list[list[Completion]] = [[] for _ in range(run.world)]
    dist.all_gather_object(parts, batch)
    return [parts[row % run.world][row // run.world] for row in range(sum(map(len, parts)))]


if __name__ == "__main__":
    run_main("sample", main)
