"""What a PPO run can be told, through its run directory on the tiny model, up to the checkpoint that it saves."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM

from exchange.records import Prompt
from exchange.snapshot import write_snapshot
from tests.engine.chain import Chain
from tests.engine.conftest import WORDS, demonstration, prompt_of, split_of
from training.engine import data, ppo

PPO = {
    "episodes": 64, "rollout_batch": 16, "minibatch": 8, "response_length": 6, "max_prompt_length": 60,
    "learning_rate": 3e-3, "value_learning_rate": 3e-3, "warmup_iterations": 1, "eval_prompts": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("choices"))
    chain.sft = chain.checkpoint(chain.run("sft", {"epochs": 10, "batch_size": 9, "learning_rate": 0.01}), "SFT")
    learned = chain.run("reward", {"epochs": 6, "batch_prompts": 3, "learning_rate": 0.01}, policy=chain.sft)
    chain.reward = chain.checkpoint(learned, "RM")
    return chain


def trained(chain, settings=None, **inputs):
    inputs = {"policy": chain.sft, "reward": chain.reward, **inputs}
    return chain.run("ppo", {**PPO, **(settings or {})}, **{name: one for name, one in inputs.items() if one})


def weights(ran_or_folder):
    folder = ran_or_folder if isinstance(ran_or_folder, str) else ran_or_folder.directory / "checkpoints/final"
    return torch.cat([p.detach().flatten() for p in AutoModelForCausalLM.from_pretrained(folder).parameters()])


def test_adapters_and_a_trunk_give_a_plain_checkpoint(chain):
    ran = trained(chain, {"lora_rank": 4, "value": "trunk", "learning_rate": 3e-2})
    assert ran.code == 0, ran.result
    assert ran.of("metrics")[0]["values"]["kl"] == pytest.approx(0, abs=1e-5)
    assert ran.summary["kl_end"] > 1e-3
    names = set(AutoModelForCausalLM.from_pretrained(ran.directory / "checkpoints/final").state_dict())
    assert names == set(AutoModelForCausalLM.from_pretrained(chain.sft["path"]).state_dict())
    assert not torch.equal(weights(ran), weights(chain.sft["path"]))


def test_the_moving_average_is_what_is_saved_and_what_is_evaluated(chain):
    """A decay of .999999 over 8 steps leaves the SFT policy: its KL is 0, though the policy has learned."""
    ran = trained(chain, {"ema_decay": 0.999999})
    assert ran.summary["saved_weights"] == "moving average, decay 0.999999"
    assert ran.summary["kl_end"] == pytest.approx(0, abs=1e-5)
    assert abs(ran.of("metrics")[-1]["values"]["kl"]) > 1e-3
    start, last = weights(chain.sft["path"]), weights(trained(chain))
    assert float((weights(ran) - start).norm()) < 1e-4 * float((last - start).norm())


def test_the_best_evaluation_is_what_is_saved(chain):
    settings = {"select": "reward", "eval_every": 1, "learning_rate": 0.3}  # wild steps: the last is not the best
    ran = trained(chain, settings)
    looks = {line["step"]: line["values"] for line in ran.of("eval")}
    assert sorted(looks) == [0, 1, 2, 3, 4]
    best = max(looks, key=lambda step: looks[step]["reward"])
    assert ran.summary["saved_weights"] == f"best evaluation, after iteration {best}"
    assert ran.summary["reward_end"] == pytest.approx(looks[best]["reward"], abs=1e-5)
    bound = trained(chain, {**settings, "select_max_kl": 1e-6})
    assert bound.summary["saved_weights"] == "best evaluation, after iteration 0"
    assert torch.equal(weights(bound), weights(chain.sft["path"]))


def test_without_a_finite_evaluation_the_last_weights_are_saved_and_it_is_said(chain, monkeypatch):
    plain = ppo.evaluate

    def evaluate(*args):
        figures, rewards = plain(*args)
        return {**figures, "reward": math.nan}, rewards

    monkeypatch.setattr(ppo, "evaluate", evaluate)
    settings = {"episodes": 16, "select": "reward", "select_max_kl": 1.0}
    ran = trained(chain, settings)
    assert ran.code == 0, ran.result
    assert ran.summary["saved_weights"] == "last"
    assert any(note["text"].startswith("No evaluation had a finite reward") for note in ran.of("note"))
    monkeypatch.undo()
    assert torch.equal(weights(ran), weights(trained(chain, {"episodes": 16})))


def test_pretraining_rows_beyond_what_the_model_reads_are_refused(chain, tmp_path):
    text = {"path": str(tmp_path / "text.txt"), "digest": "x"}
    ran = trained(chain, {"ptx_gamma": 1.0, "ptx_length": 4097}, pretrain=text)
    assert ran.refusal == "ptx_length is 4,097 tokens, but the model reads at most 4,096."


def test_the_best_of_n_of_the_sft_policy_is_measured_on_the_same_prompts(chain):
    ran = trained(chain, {"best_of": 8})
    summary = ran.summary
    assert (summary["best_of"], summary["best_of_kl"]) == (8, pytest.approx(math.log(8) - 7 / 8, abs=1e-6))
    assert summary["best_of_reward"] > summary["reward_start"]
    one = trained(chain, {"best_of": 1, "episodes": 16})
    assert one.summary["best_of_kl"] == 0.0
    assert one.summary["best_of_reward"] <= summary["best_of_reward"], "the first of the eight is the one"


def test_several_answers_to_a_prompt(chain):
    ran = trained(chain, {"samples_per_prompt": 4, "episodes": 32})
    assert ran.code == 0, ran.result
    assert ran.summary["train_prompts"] == 8


def test_beta_follows_the_kl_and_is_reported(chain):
    """Nothing has moved in the first iteration, so its error is −.2: β (1 − .2 · 16 / 80) = .96 β."""
    ran = trained(chain, {"kl_control": "adaptive", "kl_beta": 0.1, "kl_target": 1.0, "kl_horizon": 80.0})
    betas = [line["values"]["kl_beta"] for line in ran.of("metrics")]
    assert betas[:2] == pytest.approx([0.1, 0.096])
    kls = [line["values"]["kl"] for line in ran.of("metrics")]
    for before, after, kl in zip(betas, [*betas[1:], ran.summary["kl_beta_end"]], kls, strict=True):
        assert after == pytest.approx(before * (1 + max(-0.2, min(0.2, kl - 1)) * 0.2), abs=1e-6)


def test_pretraining_text_beside_ppo_is_reported_as_the_alignment_tax(chain, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("The oak is a tree. The elm is a tree. " * 60, encoding="utf-8")
    pretrain = {"path": str(text), "digest": "x"}
    settings = {"ptx_gamma": 20.0, "ptx_examples": 1, "ptx_length": 32, "learning_rate": 3e-3, "kl_beta": 0.0}
    mixed = trained(chain, settings, pretrain=pretrain)
    assert mixed.code == 0, mixed.result
    assert mixed.summary["ptx_loss_end"] < mixed.summary["ptx_loss_start"] - 0.3
    assert all("ptx_loss" in line["values"] for line in mixed.of("metrics"))
    alone = trained(chain, {**settings, "ptx_gamma": 0.0}, pretrain=pretrain)
    assert alone.summary["ptx_loss_start"] == pytest.approx(mixed.summary["ptx_loss_start"], abs=1e-5)
    assert alone.summary["ptx_loss_end"] > mixed.summary["ptx_loss_end"]


def test_a_rule_judges_instead_of_a_reward_model(chain):
    named = [(word, split_of(index)) for index, word in enumerate(WORDS)]
    prompts = [
        Prompt(f"p-{word}", prompt_of(word), split, answer="72" if word != "yew" else "") for word, split in named
    ]
    snapshot = write_snapshot(chain.folder / "snapshots", project="sums", meta={}, prompts=prompts, demonstrations=[],
                              rankings=[])[1]  # fmt: skip
    for value in ("own", "trunk"):
        ran = trained(chain, {"reward": "rule", "value": value, "missing_eos_penalty": 0.0}, reward=None,
                      snapshot=snapshot)  # fmt: skip
        assert ran.code == 0, ran.result
        assert all(line["values"]["score"] in (0.0, 1 / 16) for line in ran.of("metrics")), "nobody can sum yet"
        assert ran.summary["train_prompts"] == 8
        assert any("1 prompts without a wanted result" in line["text"] for line in ran.of("note"))
    assert trained(chain, {"reward": "rule"}, reward=None).refusal == (
        "reward = rule needs prompts with a wanted result, but the snapshot's training prompts have none: neither an "
        'answer of their own nor a demonstration with "####".'
    )


def test_a_demonstration_shows_the_wanted_result(chain):
    named = [(word, split_of(index)) for index, word in enumerate(WORDS)]
    prompts = [Prompt(f"p-{word}", prompt_of(word), split) for word, split in named]
    shown = [
        demonstration(word, split, f"It is so.\n#### {word}" if word != "elm" else "It is.") for word, split in named
    ]
    snapshot = write_snapshot(chain.folder / "snapshots", project="words", meta={}, prompts=prompts,
                              demonstrations=shown, rankings=[])[1]  # fmt: skip
    assert data.shown_results(snapshot) == {f"p-{word}": word for word in WORDS if word != "elm"}
    ran = trained(chain, {"reward": "rule", "value": "trunk", "episodes": 16}, reward=None, snapshot=snapshot)
    assert ran.code == 0, ran.result
    assert ran.summary["train_prompts"] == 8


def test_what_does_not_go_together_is_refused(chain):
    assert trained(chain, reward=None).refusal == "A run of kind ppo needs a reward model."
    assert trained(chain, {"ptx_gamma": 1.0}).refusal == (
        "ptx_gamma needs a pretraining text, but the run was given none."
    )
