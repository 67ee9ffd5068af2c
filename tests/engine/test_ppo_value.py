"""Where a value model of its own begins."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.engine.chain import Chain
from training.engine import episodes
from training.engine.learner import load
from training.engine.runtime import open_run
from training.engine.sampling import Sampled


def test_it_begins_as_the_reward_model(tmp_path):
    """Its value of a state is the score that plain transformers reads there, with the bias."""
    chain = Chain(tmp_path)
    policy = chain.checkpoint(chain.run("sft", {"epochs": 3, "batch_size": 9, "learning_rate": 0.01}), "SFT")
    learned = chain.run("reward", {"epochs": 3, "batch_prompts": 3, "learning_rate": 0.01}, policy=policy)
    reward = chain.checkpoint(learned, "RM")
    one = load(open_run("ppo", chain.prepare("ppo", {"max_prompt_length": 60}, policy=policy, reward=reward)))
    plain = AutoModelForSequenceClassification.from_pretrained(reward["path"])
    prompt, tokens = one.tokenizer.encode("Praise the oak."), one.tokenizer.encode("aabb")
    answer = Sampled(tuple(prompt), tuple(tokens), (-1.0,) * 4, "length")
    with torch.no_grad():
        [values] = episodes.answer_values(one.models.value, [answer]).tolist()
        states = [torch.tensor([[*prompt, *tokens[:step]]]) for step in range(4)]
        expected = [plain(state).logits.item() + plain.config.reward_bias for state in states]
    assert values == pytest.approx(expected, abs=1e-5)
    assert max(values) - min(values) > 0.1
