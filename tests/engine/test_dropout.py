"""A base model that asks for dropout gets none from a run that does not: its first loss is that of evaluation."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from exchange.records import Demonstration, RankingGroup
from exchange.snapshot import read_snapshot
from tests.engine.chain import Chain
from training.engine.base import byte_tokenizer, tiny_model
from training.engine.models import encode_completion, encode_prompt

ONE_STEP = {"epochs": 1, "batch_prompts": 9, "learning_rate": 1e-9, "warmup_steps": 0}  # all nine rankings together


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("dropout"))
    model = tiny_model()
    model.config.attention_dropout = 0.1
    model.save_pretrained(chain.folder / "dropping")
    byte_tokenizer().save_pretrained(chain.folder / "dropping")
    chain.base = {"base_model": str(chain.folder / "dropping")}
    return chain


def plain_loss(folder, snapshot) -> float:
    """The mean over rankings of the mean over pairs of −log σ(better − worse), by plain transformers in eval mode."""
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), byte_tokenizer()
    losses = []
    for group in read_snapshot(snapshot, RankingGroup, split="train"):
        prompt = encode_prompt(tokenizer, group.messages)
        texts = [prompt + encode_completion(tokenizer, completion.text) for completion in group.completions]
        with torch.no_grad():
            scores = [model(input_ids=torch.tensor([text])).logits.item() for text in texts]
        pairs = [(i, j) for i in range(4) for j in range(4) if group.ranks[i] < group.ranks[j]]
        losses.append(sum(math.log1p(math.exp(scores[j] - scores[i])) for i, j in pairs) / len(pairs))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("layout", ["prefix", "rows"])
def test_the_reward_models_first_loss_is_that_of_evaluation(chain, layout):
    """A step of 1e-9 leaves the checkpoint where training began."""
    ran = chain.run("reward", {**ONE_STEP, "layout": layout}, **chain.base)
    [line] = ran.of("metrics")
    folder = ran.directory / ran.result["checkpoint"]
    assert line["values"]["loss"] == pytest.approx(plain_loss(folder, chain.snapshot), abs=2e-6)


def test_dpos_first_loss_is_ln_2(chain):
    ran = chain.run("dpo", {**ONE_STEP, "eval_prompts": 0}, **chain.base)
    [line] = ran.of("metrics")
    assert line["values"]["loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_sft_that_asks_for_none_loses_in_training_what_evaluation_loses(chain):
    """The mean of −log p over all tokens of the nine demonstrations, by plain transformers in eval mode."""
    ran = chain.run("sft", {"epochs": 1, "batch_size": 9, "learning_rate": 1e-9, "dropout": 0.0}, **chain.base)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(chain.base["base_model"]), byte_tokenizer()
    losses = []
    for record in read_snapshot(chain.snapshot, Demonstration, split="train"):
        prompt, answer = encode_prompt(tokenizer, record.messages), encode_completion(tokenizer, record.completion)
        with torch.no_grad():
            logprobs = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        losses.append(-logprobs[range(len(answer)), answer])
    [line] = ran.of("metrics")
    assert line["values"]["loss"] == pytest.approx(float(torch.cat(losses).mean()), abs=2e-6)
