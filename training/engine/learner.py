"""What PPO learns with: four models, or fewer where they share weights, and the optimizers of those that learn.

| setting | policy | reference | reward model | value |
| --- | --- | --- | --- | --- |
| as the paper | learns | a frozen copy | frozen | a model of its own, from the reward model |
| value = trunk | learns | a frozen copy | frozen | a head on the policy |
| lora_rank > 0 | adapters learn | the policy without them | frozen | as `value` says |
| reward = rule | learns | as above | none | from the policy, its head at 0 |
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from transformers import PreTrainedTokenizerBase

from training.engine import heads, sharding
from training.engine.best import Best
from training.engine.carrying import check_carrying
from training.engine.config import PPOSettings
from training.engine.ema import Average
from training.engine.episodes import Models
from training.engine.errors import RunError
from training.engine.lora import add_lora
from training.engine.models import check_length, load_policy, load_reward, new_reward, unembeds_plainly
from training.engine.optimizer import Divergence, MasterAdamW
from training.engine.ptx import Pretraining
from training.engine.runtime import Run
from training.engine.state import Part
from training.engine.value_head import ValueHead
from training.engine.words import difference


@dataclass
class Learner:
    """What an iteration needs: the run, its models, the optimizers of those that learn, and what changes on the way.

    `beta` is the price of a nat of KL at present, `skipped` counts steps that were not finite,
    `updates` those that the policy made.
    """

    run: Run
    models: Models
    tokenizer: PreTrainedTokenizerBase
    policy_optimizer: MasterAdamW
    value_optimizer: MasterAdamW
    divergence: Divergence
    pretraining: Pretraining | None = None
    average: Average | None = None
    best: Best | None = None
    skipped: int = 0
    updates: int = 0
    beta: float = field(init=False)

    def __post_init__(self) -> None:
        self.beta = self.run.settings.kl_beta

    def parts(self) -> dict[str, Part]:
        """All whose tensors belong to the saved state."""
        found: dict[str, Part | None] = {
            "policy": self.policy_optimizer, "value": self.value_optimizer, "average": self.average, "best": self.best,
        }  # fmt: skip
        return {name: part for name, part in found.items() if part is not None}


def load(run: Run) -> Learner:
    """Models and optimizers. Raises RunError where the models cannot be trained, or do not read the same tokens."""
    s: PPOSettings = run.settings
    inputs, report = run.inputs, run.report
    learning, frozen = ({"dtype": dtype, "device": run.device} for dtype in (torch.float32, run.dtype))
    report.progress("load", 0, 4)
    policy, tokenizer = load_policy(inputs, inputs["policy"], **learning)
    if not unembeds_plainly(policy):
        raise RunError("PPO cannot train this architecture: it changes its logits after the unembedding.")
    check_carrying(policy)
    if (inputs.get("pretrain") or {}).get("path"):
        check_length(policy, s.ptx_length, setting="ptx_length")
    report.progress("load", 1, 4)
    reference = None
    if s.lora_rank:
        add_lora(policy, s.lora_rank, s.lora_alpha, s.seed)
    else:
        reference, _ = load_policy(inputs, inputs["policy"], **frozen)
        reference.requires_grad_(False)
    sharding.shard(run, policy)
    policy_optimizer = MasterAdamW(policy, lower=policy, dtype=run.dtype)
    report.progress("load", 2, 4)
    reward = None
    if s.reward == "model":
        reward, reward_tokenizer = load_reward(inputs, inputs["reward"], **frozen)
        if other := difference(tokenizer, reward_tokenizer):
            raise RunError(f"The policy and the reward model have different {other}, so PPO cannot use them together.")
        reward.requires_grad_(False)
    report.progress("load", 3, 4)
    if s.value == "trunk":
        value = ValueHead(policy.get_output_embeddings().weight.shape[1], run.device)
        value_optimizer = MasterAdamW(value)
    else:
        if s.reward == "model":
            value, _ = load_reward(inputs, inputs["reward"], **learning)
        else:
            value, _ = new_reward(inputs, inputs["policy"], seed=s.seed, **learning)
            value.score.weight.data.zero_()
        sharding.shard(run, value)
        value_optimizer = MasterAdamW(value, lower=heads.body(value), dtype=run.dtype)
    report.progress("load", 4, 4)
    learner = Learner(run, Models(policy, reference, reward, value), tokenizer, policy_optimizer, value_optimizer,
                      Divergence())  # fmt: skip
    learner.pretraining = Pretraining.of(run, tokenizer)
    if s.ema_decay:
        learner.average = Average(policy_optimizer, s.ema_decay)
    return learner
