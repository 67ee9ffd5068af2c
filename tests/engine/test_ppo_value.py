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
    inputs = chain.learned()
    one = load(open_run("ppo", chain.prepare("ppo", {"max_prompt_length": 60}, **inputs)))
    plain = AutoModelForSequenceClassification.from_pretrained(inputs["reward"]["path"])
    prompt, tokens = one.tokenizer.encode("Praise the oak."), one.tokenizer.encode("aabb")
    answer = Sampled(tuple(prompt), tuple(tokens), (-1.0,) * 4, "length")
    with torch.no_grad():
        [values] = episodes.answer_values(one.models.value, [answer]).tolist()
        states = [torch.tensor([[*prompt, *tokens[:step]]]) for step in range(4)]
        expected = [plain(state).logits.item() + plain.config.reward_bias for state in states]
    assert values == pytest.approx(expected, abs=1e-5)
    assert max(values) - min(values) > 0.1
