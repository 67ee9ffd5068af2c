"""Exact resume of all that PPO can remember, and two processes that do what one does with all of it switched on."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.engine.chain import Chain
from tests.engine.test_resume import figures, killed_after
from tests.engine.two_processes import two_processes

PPO = {
    "episodes": 48, "rollout_batch": 8, "minibatch": 4, "response_length": 5, "max_prompt_length": 60,
    "learning_rate": 3e-3, "value_learning_rate": 3e-3, "eval_prompts": 4, "inner_epochs": 2,
}  # fmt: skip
REMEMBERED = {
    "ema_decay": 0.9, "kl_control": "adaptive", "kl_target": 0.01, "kl_horizon": 30.0, "ptx_gamma": 2.0,
    "ptx_examples": 1, "ptx_length": 16, "eval_every": 1, "select": "reward", "best_of": 2, "kl_stop": 0.05,
}  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("ppo-resume"))
    text = chain.folder / "text.txt"
    text.write_text("An oak is a tree, and so is an elm. " * 60, encoding="utf-8")
    chain.inputs = {**chain.learned(), "pretrain": {"path": str(text), "digest": "one"}}
    return chain


@pytest.mark.oracle(16)
@pytest.mark.parametrize("models", [{}, {"value": "trunk"}, {"value": "trunk", "lora_rank": 2}], ids=str)
@pytest.mark.parametrize(("dtype", "saved", "last"), [("fp32", 1, 3), ("fp32", 5, 5), ("bf16", 3, 4)])
def test_killed_and_gone_on_is_the_same_bitwise(chain, monkeypatch, models, dtype, saved, last):
    settings = {**PPO, **REMEMBERED, **models, "dtype": dtype}
    whole = chain.run("ppo", settings, **chain.inputs)
    assert whole.code == 0, whole.result
    directory = chain.prepare("ppo", settings, **chain.inputs)
    with monkeypatch.context() as patched:
        killed_after(patched, last, saved=saved)
        assert chain.go_on("ppo", directory).code == 1
    torch.manual_seed(99)
    again = chain.go_on("ppo", directory)
    assert again.code == 0, again.result
    assert again.result["digest"] == whole.result["digest"]  # weights, settings and summary
    assert figures(again) == figures(whole)


def test_a_moving_average_that_was_not_selected_from_goes_on_too(chain, monkeypatch):
    settings = {**PPO, "ema_decay": 0.9, "dtype": "fp32"}
    whole = chain.run("ppo", settings, **chain.inputs)
    directory = chain.prepare("ppo", settings, **chain.inputs)
    with monkeypatch.context() as patched:
        killed_after(patched, 4, saved=2)
        chain.go_on("ppo", directory)
    assert chain.go_on("ppo", directory).result["digest"] == whole.result["digest"]


def test_another_pretraining_text_is_refused(chain, monkeypatch):
    settings = {**PPO, **REMEMBERED}
    directory = chain.prepare("ppo", settings, **chain.inputs)
    with monkeypatch.context() as patched:
        killed_after(patched, 2, saved=2)
        chain.go_on("ppo", directory)
    config = directory / "config.json"
    config.write_text(config.read_text().replace('"digest": "one"', '"digest": "two"'))
    assert "has another pretraining text; start" in chain.go_on("ppo", directory).refusal


def test_two_processes_do_what_one_does(chain):
    """Both put the same episodes into each step and only round their sums otherwise; what is selected, averaged
    and steered must come out alike.
    """
    settings = {**PPO, **REMEMBERED, "value": "trunk", "minibatch": 4, "inner_epochs": 1, "dtype": "fp32"}
    alone = chain.run("ppo", settings, **chain.inputs)
    both = two_processes("ppo", chain.prepare("ppo", settings, **chain.inputs))
    for one, two in zip(alone.of("metrics")[:2], both.of("metrics")[:2], strict=True):
        for name in (
            "reward",
            "kl",
            "distinct_2",
            "ptx_loss",
            "policy_loss",
            "value_loss",
            "kl_beta",
            "gradient_norm",
        ):
            assert two["values"][name] == pytest.approx(one["values"][name], rel=2e-3, abs=1e-5), name
    for name in ("best_of_reward", "best_of_reward_margin", "reward_start", "ptx_loss_start"):
        assert both.summary[name] == pytest.approx(alone.summary[name], rel=1e-4), name
    assert both.summary["saved_weights"] == alone.summary["saved_weights"]
    start, one, two = (
        torch.cat([p.detach().flatten() for p in AutoModelForCausalLM.from_pretrained(path).parameters()])
        for path in (
            chain.inputs["policy"]["path"],
            *(ran.directory / ran.result["checkpoint"] for ran in (alone, both)),
        )
    )
    moved = float((one - start).norm())
    assert moved > 1e-3
    assert float((two - one).norm()) < 0.05 * moved
