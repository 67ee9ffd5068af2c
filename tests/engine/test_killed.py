"""A process that kill −9 ends between two passes of a step, gradients half added: the run goes on the same bitwise."""

import pytest
import torch

from tests.engine.chain import Chain
from tests.engine.conftest import ended
from tests.engine.killed import Job, run_each
from tests.engine.test_resume import figures

SFT = {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, "dropout": 0.3, "micro_tokens": 64}
REWARD = {"epochs": 2, "batch_prompts": 4, "learning_rate": 0.01, "micro_tokens": 64, "dtype": "bf16"}
PPO = {
    "episodes": 32, "rollout_batch": 8, "minibatch": 4, "response_length": 5, "max_prompt_length": 60,
    "learning_rate": 3e-3, "value_learning_rate": 3e-3, "eval_prompts": 3, "inner_epochs": 2, "micro_tokens": 64,
    "ema_decay": 0.9,
}  # fmt: skip
# An example is a pass, and steps have 4, 4, 1 and again as many: the tenth is the first of step 4, as is the fifth of
# the second process, which has two of each four. An answer of PPO is a pass with two backward passes, of policy and
# value, and an iteration learns twice from 8 answers: the 33rd and 34th are the first of iteration 2, and so are the
# 17th and 18th of the second process.
CASES = {  # kind, settings, processes, backward passes before the death, whole steps by then
    "reward": ("reward", REWARD, 1, 10, 3),
    "ppo": ("ppo", {**PPO, "dtype": "bf16"}, 1, 34, 1),
    "sft on two": ("sft", SFT, 2, 5, 3),
    "ppo on two": ("ppo", PPO, 2, 18, 1),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of each case the run left alone and the one that was killed and gone on."""
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("killed"))
    inputs = chain.learned()
    wanted = {"sft": (), "reward": ("policy",), "ppo": ("policy", "reward")}
    directories, jobs = {}, []
    for name, (kind, settings, ranks, passes, _) in CASES.items():
        given = {one: inputs[one] for one in wanted[kind]}
        alone = chain.prepare(kind, {**settings, "save_minutes": 0.0}, **given)
        killed = chain.prepare(kind, {**settings, "save_minutes": 1e-6}, **given)
        directories[name] = (alone, killed)
        jobs += [Job(kind, str(alone), ranks), Job(kind, str(killed), ranks, passes), Job(kind, str(killed), ranks)]
    run_each(jobs, chain.folder)
    return {name: [ended(directory, 0) for directory in pair] for name, pair in directories.items()}


@pytest.mark.oracle(16)
@pytest.mark.parametrize("name", CASES)
def test_killed_within_a_step_and_gone_on_is_the_same_bitwise(runs, name):
    alone, again = runs[name]
    saved = CASES[name][-1]
    assert f"Going on from the state saved after step {saved}." in [line["text"] for line in again.of("note")]
    weights = [(ran.directory / "checkpoints/final/model.safetensors").read_bytes() for ran in (alone, again)]
    assert weights[0] == weights[1]
    assert figures(again) == figures(alone)
