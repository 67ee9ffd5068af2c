"""Two processes with sharded layers do what one does without: the real scripts, their steps, checkpoints and resume."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from tests.engine.chain import Chain
from tests.engine.two_processes import two_processes

SFT = {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, "micro_tokens": 64, "select": "loss", "eval_steps": 2}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("sharding"))
    chain.sft = chain.checkpoint(chain.run("sft", {"epochs": 3, "batch_size": 9, "learning_rate": 0.01}), "SFT")
    return chain


def weights(ran, cls=AutoModelForCausalLM):
    model = cls.from_pretrained(ran.directory / ran.result["checkpoint"])
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_sft(chain):
    alone = chain.run("sft", {**SFT, "dtype": "fp32"})
    both = two_processes("sft", chain.prepare("sft", {**SFT, "dtype": "fp32", "sharding": "layers"}))
    for one, two in zip(alone.of("metrics"), both.of("metrics"), strict=True):
        print(one["values"]["loss"], two["values"]["loss"], one["values"]["grad_norm"], two["values"]["grad_norm"])
    print((weights(alone) - weights(both)).abs().max())
