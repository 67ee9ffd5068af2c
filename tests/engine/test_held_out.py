"""Which validation prompts are answered: those whose answer, and the reward model's end token, still fit."""

from pathlib import Path

import pytest
import torch

from training.engine import held_out
from training.engine.base import byte_tokenizer, tiny_model
from training.engine.config import settings_for
from training.engine.data import questions
from training.engine.errors import RunError
from training.engine.reporter import Reporter
from training.engine.runtime import Run


def with_room(count):
    model = tiny_model().eval()
    model.config.max_position_embeddings = count
    return model


def test_prompt_answer_and_end_token_fill_the_length_exactly(make_snapshot):
    folder, tokenizer, response = make_snapshot(), byte_tokenizer(), 4
    found = questions(folder, tokenizer, splits=("valid",), max_prompt_length=1000).items
    longest = max(len(one.prompt) for one in found)

    def count(length, **models):
        settings = settings_for("sft", "cpu", {"max_length": length, "response_length": response, "eval_prompts": 9})
        run = Run("sft", Path(), {}, settings, Reporter(None), torch.device("cpu"), torch.float32)
        return len(held_out.validation_questions(run, tokenizer, folder, with_room(length), **models)[0])

    assert len(found) == 3
    assert count(longest + response) == 3
    assert count(longest + response - 1) < 3
    assert count(longest + response + 1, reward=with_room(longest + response + 1)) == 3
    assert count(longest + response, reward=with_room(longest + response)) < 3
    with pytest.raises(RunError) as refusal:
        count(longest + response + 1, reward=with_room(longest))
    total = longest + response + 1
    assert str(refusal.value) == f"max_length is {total} tokens, but the reward model reads at most {longest}."
