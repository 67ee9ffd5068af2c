"""A policy behind its DPO: judged on held-out rankings by its implicit rewards, and its KL to its reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.engine import episodes
from training.engine.data import Group, Question
from training.engine.held_out import answers_to
from training.engine.implicit_rewards import all_logprobs, implicit_rewards
from training.engine.lora import without_adapters
from training.engine.models import load_policy
from training.engine.passes import family_passes
from training.engine.reward_report import accuracy_of, order_figures
from training.engine.runtime import Run, all_sum
from training.engine.sampling import Sampled
from training.engine.vocabulary_kl import vocabulary_kl

Reference = Callable[[], AbstractContextManager[PreTrainedModel]]


def evaluate(
    run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, valid: list[Group],
    questions: list[Question], *, step: int,
) -> dict[str, float | int | str]:  # fmt: skip
    """How implicit rewards order held-out rankings, with its interval, and the KL to the reference.

    Each ranking of `valid` has a pair that is no tie.
    """
    if not valid and not questions:
        return {}
    reference = as_reference(run, model)
    figures: dict[str, float | int | str] = {}
    if valid:
        own = all_logprobs(run, model, valid, "eval")
        with reference() as frozen:
            theirs = all_logprobs(run, frozen, valid, "eval")
        judged = [
            (group, implicit_rewards(torch.tensor(mine, dtype=torch.float64), other, run.settings.beta).tolist())
            for group, mine, other in zip(valid, own, theirs, strict=True)
        ]
        figures |= order_figures(judged, accuracy_of(judged))
    if questions:
        answers = answers_to(run, model, tokenizer, questions)
        nats = kl(model, reference, answers, run.settings.micro_tokens)
        tokens = sum(len(answer.tokens) for answer in answers)
        nats, tokens = (figure / len(questions) for figure in all_sum(run, [nats, tokens]))
        figures |= {"eval_prompts": len(questions), "kl": round(nats, 5), "mean_length": round(tokens, 2)}
    names = {"valid_loss": "loss", "valid_accuracy": "accuracy", "kl": "kl", "mean_length": "mean_length"}
    run.report.eval(step, **{short: figures[name] for name, short in names.items() if name in figures})
    return figures


@torch.no_grad()
def kl(model: PreTrainedModel, reference: Reference, answers: list[Sampled], micro_tokens: int) -> float:
    """Σ over the answers of their KL to the reference in nats, exact in each state in which a token was drawn."""
    total = 0.0
    for places in family_passes(model, episodes.families_of(answers), micro_tokens):
        part = [answers[place] for place in places]
        own, _ = episodes.answer_states(model, part)
        with reference() as frozen:
            theirs, _ = episodes.answer_states(frozen, part)
            unembeddings = model.get_output_embeddings(), frozen.get_output_embeddings()
        total += float(vocabulary_kl(own, unembeddings[0], theirs, unembeddings[1]).sum())
    return total


def as_reference(run: Run, model: PreTrainedModel) -> Reference:
    """What gives the reference while a block lasts: the model without its adapters, or the policy loaded anew."""
    if run.settings.lora_rank:

        @contextmanager
        def bare() -> Iterator[PreTrainedModel]:
            with without_adapters(model):
                yield model

        return bare
    loaded, _ = load_policy(run.inputs, run.inputs.get("policy"), dtype=torch.float32, device=run.device)
    return lambda: nullcontext(loaded)
