"""SFT, reward model, PPO and samples one after the other through their run directories, on the tiny model."""

import itertools
import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from exchange import envelope
from tests.engine.chain import Chain
from tests.engine.conftest import WORDS, prepare, split_of
from tests.engine.two_processes import two_processes
from training.engine import episodes, ppo_report
from training.engine.sampling import sample as draw

PPO = {
    "episodes": 256, "rollout_batch": 32, "minibatch": 16, "response_length": 6, "max_prompt_length": 60,
    "learning_rate": 3e-3, "value_learning_rate": 3e-3, "warmup_iterations": 1, "eval_prompts": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("chain"))
    tuned = chain.run("sft", {"epochs": 30, "batch_size": 9, "learning_rate": 0.01})
    chain.sft = chain.checkpoint(tuned, "SFT 1")
    learned = chain.run("reward", {"epochs": 12, "batch_prompts": 3, "learning_rate": 0.01}, policy=chain.sft)
    assert learned.summary["valid_accuracy"] > 0.9
    chain.reward = chain.checkpoint(learned, "RM 2")
    chain.trained = chain.run("ppo", PPO, policy=chain.sft, reward=chain.reward)
    assert chain.trained.code == 0, chain.trained.result
    chain.ppo = chain.checkpoint(chain.trained, "PPO 3")
    return chain


def test_the_held_out_reward_rises_and_the_kl_starts_at_zero(chain):
    summary = chain.trained.summary
    assert summary["reward_end"] > summary["reward_start"] + 0.5
    assert abs(summary["kl_start"]) < 1e-4 < summary["kl_end"]
    assert summary["reward_rule"].startswith("same 3 held-out prompts")
    assert (summary["episodes"], summary["iterations"], summary["train_prompts"]) == (256, 8, 9)
    assert summary["skipped_steps"] == 0
    assert summary["kl_margin_start"] < 1e-4 < summary["kl_margin_end"]
    assert summary["reward_change"] == pytest.approx(summary["reward_end"] - summary["reward_start"], abs=3e-6)
    assert summary["reward_change_margin"] > 0
    assert 0 <= summary["eos_rate_start"] <= 1
    assert 1 <= summary["mean_length_end"] <= 6


def test_each_iteration_is_reported_with_an_answer(chain):
    metrics = chain.trained.of("metrics")
    assert [line["step"] for line in metrics] == list(range(1, 9))
    for name in ("reward", "kl", "entropy", "ratio_mean", "clip_fraction", "value_loss", "eos_rate", "mean_length",
                 "episodes_per_second", "seconds_sample", "seconds_score", "seconds_update"):  # fmt: skip
        assert all(isinstance(line["values"][name], int | float) for line in metrics), name
    assert all(line["values"]["first_ratio_off"] < 1e-5 for line in metrics)
    assert all(line["values"]["first_clipped"] == 0 for line in metrics)
    samples = chain.trained.of("sample")
    assert [line["step"] for line in samples] == list(range(1, 9))
    assert all(line["values"]["prompt"].startswith("Praise the ") for line in samples)
    assert all({"completion", "reward", "kl"} < line["values"].keys() for line in samples)
    assert [line["step"] for line in chain.trained.of("eval")] == [0, 8]


def test_progress_names_its_phases_in_order_and_ends_full(chain):
    lines = chain.trained.of("progress")
    phases = [line["phase"] for line in lines]
    assert list(dict.fromkeys(phases)) == ["load", "eval", "train", "save"]
    last = [line for line in lines if line["phase"] == "train"][-1]
    assert (last["done"], last["total"]) == (256, 256)


def test_the_checkpoint_is_a_plain_causal_model_with_its_lineage(chain):
    folder = chain.ppo["path"]
    meta = envelope.verify(chain.folder / folder, format="plumbline.checkpoint", digest=chain.ppo["digest"])["meta"]
    assert meta["parents"] == {"policy": chain.sft["digest"], "reward": chain.reward["digest"], "base_model": "tiny"}
    assert (meta["kind"], meta["snapshot"]) == ("ppo", chain.snapshot.name)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    before = AutoModelForCausalLM.from_pretrained(chain.sft["path"])
    assert model.dtype == torch.float32
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))
    prompt = tokenizer.encode("Praise the oak.")
    plain = model.generate(torch.tensor([prompt]), max_new_tokens=6, do_sample=False)[0, len(prompt) :].tolist()
    [ours] = draw(model.eval(), [prompt], seeds=[0], eos_id=tokenizer.eos_token_id,
                  pad_id=tokenizer.pad_token_id, max_new_tokens=6, temperature=0)  # fmt: skip
    assert list(ours.tokens) == plain


def test_without_held_out_prompts_the_training_prompts_give_start_and_end(chain):
    short = {**PPO, "episodes": 80, "eval_prompts": 0}
    ran = chain.run("ppo", short, policy=chain.sft, reward=chain.reward)
    rewards = [line["values"]["reward"] for line in ran.of("metrics")]
    assert len(rewards) == 2
    assert ran.of("eval") == []
    assert [ran.summary["reward_start"], ran.summary["reward_end"]] == pytest.approx(rewards, abs=1e-5)
    assert ran.summary["reward_rule"] == "mean of the first and of the last 1 of 2 iterations on training prompts"
    assert any("last 16 episodes" in line["text"] for line in ran.of("note"))


@pytest.mark.oracle(13)
def test_two_processes_train_as_one(chain):
    """Both put the same episodes into each step, four an iteration, and only round their sums otherwise. The
    parameters must move together, not only the figures.
    """
    settings = {**PPO, "episodes": 96, "minibatch": 8, "learning_rate": 1e-3, "value_learning_rate": 1e-3}
    inputs = {"policy": chain.sft, "reward": chain.reward}
    alone = chain.run("ppo", settings, **inputs)
    directory = chain.folder / "runs" / "two"
    both = two_processes("ppo", prepare(directory, "ppo", chain.snapshot, chain.folder / "models", settings, **inputs))
    assert [line["step"] for line in both.of("metrics")] == [1, 2, 3]
    first, same = (ran.of("metrics")[0]["values"] for ran in (alone, both))
    for name in ("reward", "score", "kl", "entropy", "value_loss", "gradient_norm", "value_gradient_norm"):
        assert same[name] == pytest.approx(first[name], rel=1e-3, abs=1e-5), name
    for name in ("reward_start", "reward_margin_start", "kl_start", "eos_rate_start", "eval_prompts"):
        assert both.summary[name] == pytest.approx(alone.summary[name], abs=1e-4), name
    start, one, two = (
        torch.cat([p.detach().flatten() for p in AutoModelForCausalLM.from_pretrained(path).parameters()])
        for path in (chain.sft["path"], *(ran.directory / ran.result["checkpoint"] for ran in (alone, both)))
    )
    moved = float((one - start).norm())
    assert moved > 0.01
    assert float((two - one).norm()) < 0.02 * moved


def test_prompts_that_are_not_used_are_noted_and_counted(chain):
    """A byte is a token: the template is 19, "Praise the fir." 15, so 34 leave out the words of four letters."""
    budget = {**PPO, "episodes": 4, "rollout_batch": 4, "minibatch": 4, "eval_prompts": 1, "max_prompt_length": 34}
    ran = chain.run("ppo", budget, policy=chain.sft, reward=chain.reward)
    train = [word for index, word in enumerate(WORDS) if split_of(index) == "train"]
    valid = [word for index, word in enumerate(WORDS) if split_of(index) == "valid"]
    assert [sum(len(word) > 3 for word in words) for words in (train, valid)] == [3, 1]
    summary = ran.summary
    assert (summary["train_prompts"], summary["left_out_long"], summary["left_out_budget"]) == (4, 3, 2)
    assert (summary["eval_prompts"], summary["eval_left_out_long"], summary["eval_left_out_budget"]) == (1, 1, 1)
    assert [line["text"] for line in ran.of("note")] == [
        "4 training prompts. Left out: 3 over 34 tokens; 2 that the episodes do not reach.",
        "1 held-out prompts. Left out: 1 over 34 tokens; 1 beyond eval_prompts.",
    ]


def test_a_cut_answer_has_room_for_the_end_token_the_reward_model_reads(chain):
    """The reward model's room is made 72 tokens: 60 + 12 would fit, the end token behind them would not."""
    narrow = chain.folder / "narrow"
    shutil.copytree(chain.reward["path"], narrow)
    config = json.loads((narrow / "config.json").read_text(encoding="utf-8"))
    config["max_position_embeddings"] = 72
    (narrow / "config.json").write_text(json.dumps(config), encoding="utf-8")
    digest = envelope.seal(narrow, format="plumbline.checkpoint", version=1, meta={})
    reward = {"name": "RM 8", "path": str(narrow), "digest": digest}
    ran = chain.run("ppo", {**PPO, "response_length": 12}, policy=chain.sft, reward=reward)
    assert ran.refusal == (
        "max_prompt_length, response_length and the end token are 73 tokens together, but the reward model reads at "
        "most 72."
    )
    fits = {**PPO, "response_length": 11, "episodes": 32, "eval_prompts": 0}
    assert chain.run("ppo", fits, policy=chain.sft, reward=reward).code == 0


def test_an_iteration_without_numbers_costs_its_figures_and_not_the_run(chain, monkeypatch):
    plain, calls = episodes.answer_scores, itertools.count()

    def scores(*args):
        found = plain(*args)
        return found * math.nan if next(calls) == 0 else found

    monkeypatch.setattr(episodes, "answer_scores", scores)
    short = {**PPO, "episodes": 64, "eval_prompts": 0}
    ran = chain.run("ppo", short, policy=chain.sft, reward=chain.reward)
    assert ran.code == 0, ran.result
    first, last = (line["values"] for line in ran.of("metrics"))
    assert first["reward"] is None
    assert "reward_start" not in ran.summary
    assert ran.summary["mean_length_start"] == pytest.approx(first["mean_length"], abs=1e-5)
    assert ran.summary["reward_end"] == pytest.approx(last["reward"], abs=1e-5)
    assert ran.summary["skipped_steps"] == 1
    assert ran.result["digest"]


def test_a_run_without_any_step_is_no_model(chain, monkeypatch):
    plain = episodes.answer_scores
    monkeypatch.setattr(episodes, "answer_scores", lambda *args: plain(*args) * math.nan)
    ran = chain.run("ppo", {**PPO, "episodes": 64, "eval_prompts": 0}, policy=chain.sft, reward=chain.reward)
    assert ran.refusal.startswith("The run learned nothing: the policy made no step, as scores or gradients were not")
    assert "digest" not in ran.result


def test_the_change_of_the_reward_is_measured_prompt_by_prompt():
    """Changes 1, 1 and 4: mean 2, variance (1 + 1 + 4) / 2 = 3, standard error √(3/3) = 1."""
    found = ppo_report.change([-50.0, 0.0, 50.0], [-49.0, 1.0, 54.0])
    assert found == pytest.approx({"reward_change": 2.0, "reward_change_margin": 1.96})


def test_means_over_a_quarter_pass_over_what_is_not_finite():
    """8 iterations, quarters of 2: rewards (1, NaN) and (NaN, NaN), kl 2 and 4 at the start."""
    names = ("reward", "score", "kl", "eos_rate", "mean_length")
    history = [dict.fromkeys(names, float(n)) for n in range(1, 9)]
    history[1]["reward"] = history[6]["reward"] = history[7]["reward"] = math.nan
    history[0]["kl"], history[1]["kl"] = 2.0, 4.0
    summary = ppo_report.start_and_end({}, {}, history)
    assert (summary["reward_start"], summary["kl_start"], summary["kl_end"]) == (1.0, 3.0, 7.5)
    assert "reward_end" not in summary


def test_what_cannot_be_trained_is_refused_in_one_sentence(chain):
    def refusal(settings=None, **inputs):
        ran = chain.run("ppo", {**PPO, **(settings or {})}, **{"policy": chain.sft, "reward": chain.reward, **inputs})
        assert ran.code == 1
        assert not (ran.directory / "checkpoints").exists()
        return ran.refusal

    assert refusal(reward=chain.sft) == "SFT 1 is not a reward model."
    assert refusal({"max_prompt_length": 10}) == "The snapshot has no training prompts of at most 10 tokens."
    assert refusal({"max_prompt_length": 4000, "response_length": 96}) == (
        "max_prompt_length, response_length and the end token are 4,097 tokens together, but the policy reads at "
        "most 4,096."
    )
    other = chain.folder / "other"
    shutil.copytree(chain.reward["path"], other)
    tokenizer = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    words = tokenizer["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    envelope.seal(other, format="plumbline.checkpoint", version=1, meta={})
    together = "The policy and the reward model have different {}, so PPO cannot use them together."
    reward = {"name": "RM 9", "path": str(other), "digest": None}
    assert refusal(reward=reward) == together.format("vocabularies")
    shutil.copy(Path(chain.reward["path"]) / "tokenizer.json", other)
    (other / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    envelope.seal(other, format="plumbline.checkpoint", version=1, meta={})
    assert refusal(reward=reward) == together.format("chat templates")
    assert "is not a language model but a LlamaForSequenceClassification." in refusal(policy=chain.reward)
