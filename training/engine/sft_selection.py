"""What selects a checkpoint of SFT: a reward model's mean score of the answers to validation prompts (IG C.1).

Validation loss rises after an epoch while the score, and people's own ratings, still improve.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from training.engine import episodes
from training.engine.data import Question
from training.engine.errors import RunError
from training.engine.held_out import answers_to, validation_questions
from training.engine.models import load_reward
from training.engine.passes import family_passes
from training.engine.runtime import Run, all_sum
from training.engine.words import difference


@dataclass(frozen=True)
class Judge:
    """The frozen reward model and the validation prompts that are answered for it, the same at every validation."""

    reward: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    questions: list[Question]

    @classmethod
    def of(cls, run: Run, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Judge:
        """The run's reward model. Raises RunError where it reads other tokens, or no prompt or answer fits."""
        reward, theirs = load_reward(run.inputs, run.inputs["reward"], dtype=run.dtype, device=run.device)
        if other := difference(tokenizer, theirs):
            raise RunError(f"The policy and the reward model have different {other}, so it cannot select.")
        questions, left_out = validation_questions(run, tokenizer, folder, policy, reward)
        if not questions:
            raise RunError("The snapshot has no validation prompt that fits to select the checkpoint by.")
        run.report.note(
            f"The checkpoint is selected by the reward of answers to {len(questions):,} validation prompts. {left_out}"
        )
        return cls(reward.requires_grad_(False), tokenizer, questions)

    @torch.no_grad()
    def score(self, run: Run, model: PreTrainedModel) -> float:
        """The mean score of the model's answers, drawn with the same seeds each time; the model is in eval mode."""
        answers = answers_to(run, model, self.tokenizer, self.questions)
        total = 0.0
        for places in family_passes(self.reward, episodes.families_of(answers), run.settings.micro_tokens):
            total += float(episodes.answer_scores(self.reward, [answers[place] for place in places]).sum())
        return all_sum(run, [total])[0] / len(self.questions)
