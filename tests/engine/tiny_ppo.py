"""A PPO learner on models so small that every answer can be enumerated; parts for the tests of the real trainer."""

import copy
import dataclasses
import itertools
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from exchange.records import Message
from tests.engine.conftest import in_double
from training.engine import heads
from training.engine.attention import use_tree_attention
from training.engine.config import settings_for
from training.engine.data import Question
from training.engine.episodes import Models
from training.engine.learner import Learner
from training.engine.lora import add_lora
from training.engine.optimizer import Divergence, MasterAdamW
from training.engine.reporter import Reporter
from training.engine.runtime import Run
from training.engine.value_head import ValueHead

EOS, PAD = 2, 0


class Ends:
    """All that the trainer asks of a tokenizer."""

    eos_token_id, pad_token_id = EOS, PAD

    @staticmethod
    def decode(ids, skip_special_tokens):
        return " ".join(map(str, ids))


def config(vocabulary: int, width: int = 32) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, bos_token_id=None, eos_token_id=EOS,
        pad_token_id=PAD, num_labels=1,
    )  # fmt: skip


def learner(vocabulary=20, *, seed=0, spread=1.0, dtype=torch.float64, packed=True, **settings) -> Learner:
    """A learner with a random policy and a random reward model whose scores differ by about `spread`."""
    torch.manual_seed(seed)
    policy = LlamaForCausalLM(config(vocabulary))
    reward = LlamaForSequenceClassification(config(vocabulary))
    heads.init_head(reward, seed)
    reward.score.weight.data *= 6 * spread
    for model in (policy, reward):
        if packed:
            use_tree_attention(model)
        (in_double(model) if dtype == torch.float64 else model.to(dtype)).eval()
    chosen = settings_for("ppo", "paper", {"episodes": 10**6, "warmup_iterations": 0, **settings})
    reference, value = copy.deepcopy(policy).requires_grad_(False), copy.deepcopy(reward)
    if chosen.lora_rank:
        reference = None
        add_lora(policy, chosen.lora_rank, chosen.lora_alpha, seed)
    if chosen.value == "trunk":
        value = ValueHead(32, dtype=dtype)
    models = Models(policy, reference, reward.requires_grad_(False), value)
    run = Run("ppo", Path(), {}, chosen, Reporter(None), torch.device("cpu"), dtype)
    return Learner(run, models, Ends(), MasterAdamW(models.policy), MasterAdamW(models.value), Divergence())


def changed(learner: Learner, **settings) -> Learner:
    """The same learner, going on with other settings."""
    run = dataclasses.replace(learner.run, settings=dataclasses.replace(learner.run.settings, **settings))
    learner.run = run
    return learner


def question(*prompt: int) -> Question:
    return Question("q", (Message("user", "?"),), list(prompt))


def all_answers(vocabulary: int, length: int) -> list[tuple[int, ...]]:
    """Every answer that can be drawn: ended by the end token, or cut at `length` without one."""
    others = [token for token in range(vocabulary) if token != EOS]
    ended = [(*body, EOS) for n in range(length) for body in itertools.product(others, repeat=n)]
    return ended + list(itertools.product(others, repeat=length))


def full_logprob(model, prompt, tokens) -> torch.Tensor:
    """log π of each token by one plain forward of the whole text: [len(tokens)]."""
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1)[range(len(tokens)), list(tokens)]


def plain_score(reward, prompt, tokens) -> float:
    """transformers' own classification output for one unpadded text that ends with the end token."""
    text = [*prompt, *tokens] if tokens[-1] == EOS else [*prompt, *tokens, EOS]
    with torch.no_grad():
        return float(reward(torch.tensor([text]), use_cache=False).logits)
