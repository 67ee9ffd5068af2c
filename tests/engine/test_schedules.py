"""The learning rate of every step of each kind of run, as its metrics tell it, against a table worked by hand."""

import pytest
import torch

from tests.engine.chain import Chain

# Six steps, one of them of warm-up: half the peak, the peak, then .1 + .9 · ½(1 + cos(k · 45°)) of it for k = 1 … 4.
COSINE = (0.5, 1.0, 0.8681980515, 0.55, 0.2318019485, 0.1)
# Without a warm-up k · 36° for k = 0 … 5.
PLAIN = (1.0, 0.9140576475, 0.6890576475, 0.4109423525, 0.1859423525, 0.1)
# Five iterations, three of them of warm-up from a tenth, constant behind it.
LINEAR = (0.1, 0.4, 0.7, 1.0, 1.0)

PEAK = 2e-3
STEPS = {"epochs": 2, "learning_rate": PEAK}  # nine examples, three a step
RANKED = {**STEPS, "batch_prompts": 3}
PPO = {
    "episodes": 20, "rollout_batch": 4, "minibatch": 2, "response_length": 2, "max_prompt_length": 60,
    "learning_rate": PEAK, "value_learning_rate": 3 * PEAK, "warmup_iterations": 3, "eval_prompts": 0,
}  # fmt: skip
KINDS = {
    "sft": ("sft", {**STEPS, "batch_size": 3, "warmup_steps": 1}, COSINE),
    "sft without warm-up": ("sft", {**STEPS, "batch_size": 3, "warmup_steps": 0}, PLAIN),
    "reward": ("reward", {**RANKED, "warmup_steps": 1}, COSINE),
    "reward without warm-up": ("reward", {**RANKED, "warmup_steps": 0}, PLAIN),
    "dpo": ("dpo", {**RANKED, "warmup_steps": 1, "eval_prompts": 0}, COSINE),
    "dpo without warm-up": ("dpo", {**RANKED, "warmup_steps": 0, "eval_prompts": 0}, PLAIN),
    "ppo": ("ppo", PPO, LINEAR),
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("schedules"))
    once = {"epochs": 1, "learning_rate": 1e-3}
    policy = chain.checkpoint(chain.run("sft", {**once, "batch_size": 9}), "SFT")
    reward = chain.checkpoint(chain.run("reward", {**once, "batch_prompts": 9}, policy=policy), "RM")
    chain.inputs = {"sft": {}, "reward": {"policy": policy}, "dpo": {"policy": policy},
                    "ppo": {"policy": policy, "reward": reward}}  # fmt: skip
    return chain


@pytest.mark.oracle(18)
@pytest.mark.parametrize("name", KINDS)
def test_the_learning_rate_of_every_step(chain, name):
    kind, settings, table = KINDS[name]
    ran = chain.run(kind, settings, **chain.inputs[kind])
    assert ran.code == 0, ran.result
    told = [line["values"]["learning_rate" if kind == "ppo" else "lr"] for line in ran.of("metrics")]
    assert told == pytest.approx([PEAK * part for part in table], rel=1e-9)
