"""Answers to validation prompts: drawn with the same seeds each time, shared out over the ranks."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.engine import data
from training.engine.carrying import check_carrying
from training.engine.data import Question
from training.engine.errors import RunError
from training.engine.models import check_length
from training.engine.runtime import Run
from training.engine.sampling import Sampled, row_seed, sample


def validation_questions(
    run: Run, tokenizer: PreTrainedTokenizerBase, folder: Path, policy: PreTrainedModel,
    reward: PreTrainedModel | None = None,
) -> tuple[list[Question], str]:  # fmt: skip
    """`eval_prompts` validation prompts with room for `response_length` tokens, and a sentence on those left out.

    Prompt and answer have `max_length` tokens together, for which the caller has checked the policy; a reward model
    reads an end token behind an answer that was cut, within them. Raises RunError where the policy cannot be sampled
    from or the reward model has no room for so many.
    """
    settings = run.settings
    longest = settings.max_length - settings.response_length - (reward is not None)
    if longest < 1:
        raise RunError("response_length must be less than max_length, else no prompt has room before an answer.")
    check_carrying(policy)
    if reward is not None:
        check_length(reward, settings.max_length, name="the reward model")
    found = data.questions(folder, tokenizer, splits=("valid",), max_prompt_length=longest)
    chosen = data.shuffled(found.items, settings.seed)[: settings.eval_prompts]
    return chosen, (
        f"Left out: {found.left_out_long:,} over {longest:,} tokens; "
        f"{len(found.items) - len(chosen):,} beyond eval_prompts."
    )


def answers_to(
    run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: list[Question]
) -> list[Sampled]:
    """The model's answers to this rank's share of the questions; the model is in eval mode."""
    mine = range(run.rank, len(questions), run.world)
    if not mine:
        return []
    try:
        return sample(
            model, [questions[place].prompt for place in mine],
            seeds=[row_seed(run.settings.seed, "valid", place) for place in mine], eos_id=tokenizer.eos_token_id,
            pad_id=tokenizer.pad_token_id, max_new_tokens=run.settings.response_length,
        )  # fmt: skip
    except FloatingPointError as error:
        raise RunError("The policy's numbers are not finite any more; use a lower learning rate.") from error
