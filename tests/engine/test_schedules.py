"""The learning rate of every step of each kind of run, told and taken, against a table worked by hand."""

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

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
    "inner_epochs": 2,
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
    """PPO's policy and value each take two minibatches in two epochs, so four steps, at an iteration's rates."""
    kind, settings, table = KINDS[name]
    taken: dict[int, list[set[float]]] = {}

    def note(optimizer, args, kwargs):
        taken.setdefault(id(optimizer), []).append({group["lr"] for group in optimizer.param_groups})

    hook = register_optimizer_step_pre_hook(note)
    try:
        ran = chain.run(kind, settings, **chain.inputs[kind])
    finally:
        hook.remove()
    assert ran.code == 0, ran.result
    times, peaks = (4, (PEAK, 3 * PEAK)) if kind == "ppo" else (1, (PEAK,))
    assert len(taken) == len(peaks)
    for rates, peak in zip(taken.values(), peaks, strict=True):  # the policy steps first
        assert [len(each) for each in rates] == [1] * times * len(table)
        assert [rate for [rate] in rates] == pytest.approx(
            [peak * part for part in table for _ in range(times)], rel=1e-9
        )
    told = [line["values"]["learning_rate" if kind == "ppo" else "lr"] for line in ran.of("metrics")]
    assert told == pytest.approx([PEAK * part for part in table], rel=1e-9)
