"""What selects a checkpoint of SFT: a reward model's mean score of the answers to validation prompts (IG C.1).

Validation loss rises after an epoch while the score, and people's own ratings, still improve.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.engine import data, episodes
from training.engine.data import Question
from training.engine.errors import RunError
from training.engine.models import load_reward
from training.engine.runtime import Run, all_sum
from training.engine.sampling import check_room, row_seed, sample


@dataclass(frozen=True)
class Judge:
    """The frozen reward model and the validation prompts that are answered for it, the same at every validation."""

    reward: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    questions: list[Question]

    @classmethod
    def of(cls, run: Run, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Judge:
        """The run's reward model. Raises RunError where it reads other tokens, or no prompt or answer fits."""
        settings = run.settings
        reward, theirs = load_reward(run.inputs, run.inputs["reward"], dtype=run.dtype, device=run.device)
        if theirs.get_vocab() != tokenizer.get_vocab():
            raise RunError("The policy and the reward model have different tokenizers, so it cannot select.")
        longest = settings.max_length - settings.response_length
        if longest < 1:
            raise RunError("response_length must be less than max_length, else no prompt has room before an answer.")
        for model, name in ((policy, "the policy"), (reward, "the reward model")):
            check_room(model, longest, settings.response_length, end=1, name=name)
        found = data.questions(folder, tokenizer, splits=("valid",), max_prompt_length=longest)
        if not found.items:
            raise RunError(f"The snapshot has no validation prompt of at most {longest:,} tokens to select by.")
        chosen = data.shuffled(found.items, settings.seed)[: settings.eval_prompts]
        run.report.note(
            f"The checkpoint is selected by the reward of answers to {len(chosen):,} validation prompts. Left out: "
            f"{found.left_out_long:,} over {longest:,} tokens; {len(found.items) - len(chosen):,} beyond eval_prompts."
        )
        return cls(reward.requires_grad_(False), tokenizer, chosen)

    @torch.no_grad()
    def score(self, run: Run, model: PreTrainedModel) -> float:
        """The mean score of the model's answers, drawn with the same seeds each time; the model is in eval mode."""
        settings = run.settings
        mine = range(run.rank, len(self.questions), run.world)
        prompts = [self.questions[place].prompt for place in mine]
        total = 0.0
        if prompts:
            try:
                answers = sample(
                    model, prompts, seeds=[row_seed(settings.seed, "select", place) for place in mine],
                    eos_id=self.tokenizer.eos_token_id, pad_id=self.tokenizer.pad_token_id,
                    max_new_tokens=settings.response_length,
                )  # fmt: skip
            except FloatingPointError as error:
                raise RunError("The policy's numbers are not finite any more; use a lower learning rate.") from error
            for part in data.micro_batches(answers, settings.micro_tokens, lambda a: len(a.prompt + a.tokens)):
                total += float(episodes.answer_scores(self.reward, part).sum())
        return all_sum(run, [total])[0] / len(self.questions)
