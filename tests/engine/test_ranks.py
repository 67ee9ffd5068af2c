"""Two gloo ranks have, in float64, the gradients and weights of one process: SFT, the reward model and PPO.

One pair of processes writes down all that it learns (`_rank`), and the tests compare that with the same in this
process. Passes are short, so that the ranks have several of them, and not equally many.
"""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from tests.engine.conftest import in_double
from tests.engine.test_layout import reward_model
from tests.engine.tiny_ppo import learner, question
from tests.engine.two_processes import torchrun
from training.engine import ppo, reward, sft, update
from training.engine.attention import use_tree_attention
from training.engine.base import tiny_model
from training.engine.config import settings_for
from training.engine.data import Dialogue, Group
from training.engine.optimizer import MasterAdamW
from training.engine.ppo_report import Tally
from training.engine.reporter import Reporter
from training.engine.runtime import Run, all_sum

DIALOGUES = [Dialogue(f"d-{n}", [5 + n] * (n % 4), [40 + n] * (2 + 3 * n % 7) + [2], 1 + n % 3) for n in range(9)]
TEXT = [[60 + n, *range(70, 82)] for n in range(2)]
GROUPS = [
    Group(f"r-{n}", [5] * (1 + n % 3), [[9 + n, 2], [20, 21 + n, 22, 2], [30] * (1 + n) + [2]], [0, 2, 1], 1 + n % 2)
    for n in range(7)
]  # fmt: skip
ASKED = [question(*[3 + n] * (1 + n % 4)) for n in range(8)]  # no two alike
PPO = {"rollout_batch": 8, "minibatch": 4, "inner_epochs": 2, "response_length": 6, "micro_tokens": 16,
       "learning_rate": 1e-2, "value_learning_rate": 2e-2, "seed": 3}  # fmt: skip
ONE_RANKS = {"ratio_off", "first_ratio_off", "first_clipped", "sampler_gap"}  # figures of a rank's own answers
CASES = {"own": {}, "trunk": {"value": "trunk"}, "stopped early": {"kl_stop": 1e-4}}
CLOSE = {"rel": 1e-9, "abs": 1e-10}


def a_run(kind, rank, world, **settings):
    values = settings_for(kind, "cpu", {"micro_tokens": 20, **settings})
    return Run(kind, Path(), {}, values, Reporter(None), torch.device("cpu"), torch.float64, rank, world)


def supervised(rank, world):
    """Two steps of SFT on weighted demonstrations with pretraining text beside them."""
    model = tiny_model()
    use_tree_attention(model)
    in_double(model).train()
    run = a_run("sft", rank, world, pretrain_share=0.3)
    steps = [lambda batch=batch: sft.accumulate(run, model, batch, TEXT) for batch in (DIALOGUES[:5], DIALOGUES[5:])]
    return learned(run, MasterAdamW(model), steps)


def ranked(rank, world):
    """Two steps of the reward model on weighted rankings."""
    model = reward_model().train()
    run = a_run("reward", rank, world)
    steps = [
        lambda batch=batch: reward.accumulate(model, batch, run.settings, rank=rank, world=world).loss
        for batch in (GROUPS[:4], GROUPS[4:])
    ]
    return learned(run, MasterAdamW(model), steps)


def learned(run, optimizer, steps):
    """Losses and gradient norms of the steps, and masters and moments behind them."""
    losses, norms = [], []
    for step in steps:
        losses += all_sum(run, [step()])
        norms.append(optimizer.step(lr=1e-2, max_norm=0.5))
    return {"losses": losses, "norms": norms, "tensors": copied(optimizer)}


def reinforced(rank, world, **settings):
    """Two iterations of PPO; also which answers learned together in each step."""
    one = learner(**{**PPO, **settings})
    one.run = replace(one.run, rank=rank, world=world)
    together, plain_backward, plain_step = [[]], update.backward, one.policy_optimizer.step

    def backward(learner, judged, aims, rows, *rest):
        together[-1] += [(judged.answers[row].prompt, judged.answers[row].tokens) for row in rows]
        return plain_backward(learner, judged, aims, rows, *rest)

    def step(**options):
        together.append([])
        return plain_step(**options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(update, "backward", backward)
        patched.setattr(one.policy_optimizer, "step", step)
        figures = [ppo.iterate(one, iteration, 2, ASKED) for iteration in range(2)]
    figures = [{name: value for name, value in told.items() if "second" not in name} for told in figures]
    tensors = {
        f"{name}.{key}": value
        for name, optimizer in (("policy", one.policy_optimizer), ("value", one.value_optimizer))
        for key, value in copied(optimizer).items()
    }
    return {"figures": figures, "together": together, "tensors": tensors}


def copied(optimizer):
    return {name: tensor.detach().clone() for name, tensor in optimizer.tensors().items()}


def stopped(rank, world):
    """Whether each rank stops, where the first has seen three quarters of all the KL and the second a quarter."""
    one = learner(**PPO, kl_stop=0.02)
    one.run = replace(one.run, rank=rank, world=world)
    tally = Tally()
    tally.end_step(1.0, 1.0)
    return [update.step_is_too_far(one, (3 - 2 * rank) * quarter, tally) for quarter in (0.003, 0.0049, 0.0051, 0.01)]


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-10)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    file = tmp_path_factory.mktemp("ranks") / "seen"
    torchrun("-m", "tests.engine.test_ranks", str(file))
    return [torch.load(f"{file}.{rank}", weights_only=True) for rank in range(2)]


@pytest.mark.oracle(13)
@pytest.mark.parametrize("kind", [supervised, ranked], ids=lambda kind: kind.__name__)
def test_two_ranks_learn_what_one_process_does(ranks, kind):
    alone = kind(0, 1)
    assert min(alone["norms"]) > 0.5, "the norm that clips is that of both ranks' gradients"
    for seen in (rank[kind.__name__] for rank in ranks):
        assert seen["losses"] == pytest.approx(alone["losses"], **CLOSE)
        assert seen["norms"] == pytest.approx(alone["norms"], **CLOSE)
        close(seen["tensors"], alone["tensors"])


def test_the_same_answers_learn_together_on_two_ranks(ranks):
    alone, (first, second) = reinforced(0, 1)["together"], (rank["own"]["together"] for rank in ranks)
    assert [len(step) for step in alone] == [4] * 8 + [0]  # two minibatches, two passes, two iterations
    assert [sorted(one + two) for one, two in zip(first, second, strict=True)] == [sorted(step) for step in alone]


@pytest.mark.oracle(13)
@pytest.mark.parametrize("name", CASES)
def test_ppo_on_two_ranks_learns_what_one_process_does(ranks, name):
    alone = reinforced(0, 1, **CASES[name])
    first = alone["figures"][0]
    assert 1 <= first["steps"] < 4 if name == "stopped early" else first["steps"] == 4
    for seen in (rank[name] for rank in ranks):
        for told, expected in zip(seen["figures"], alone["figures"], strict=True):
            for figure in expected.keys() - ONE_RANKS:
                assert told[figure] == pytest.approx(expected[figure], **CLOSE), figure
        close(seen["tensors"], alone["tensors"])


def test_ranks_stop_together_by_the_kl_of_the_whole_minibatch(ranks):
    """Four quarters of .003 and .0049 are below kl_stop = .02, of .0051 and .01 above."""
    assert [rank["stopped"] for rank in ranks] == [[False, False, True, True]] * 2


def _rank():
    """One rank's side."""
    rank, world = dist.get_rank(), dist.get_world_size()
    found = {kind.__name__: kind(rank, world) for kind in (supervised, ranked, stopped)}
    return {**found, **{name: reinforced(rank, world, **settings) for name, settings in CASES.items()}}


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))  # ranks that part ways would wait for half an hour
    torch.save(_rank(), f"{sys.argv[1]}.{dist.get_rank()}")
    dist.barrier()
    dist.destroy_process_group()
